//! The walk-through that confd's users know: a resource with keys and a reload, etcd, nginx, and upstreams that come and
//! go.

use std::fs;
use std::path::Path;

use vipward_tests::lab::vipward::binary;
use vipward_tests::servers::Etcd;

use crate::nginx::{Nginx, fetch, free_port};
use crate::site::until;

const TEMPLATE: &str = r#"upstream {{getv "/subdomain"}} {
{{range getvs "/upstream/*"}}    server {{.}};
{{end}}}
server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass http://{{getv "/subdomain"}}; }
}
"#;

/// Writes a key, or removes it, by one of the APIs.
type Write<'a> = &'a dyn Fn(&Etcd, &str, Option<&str>);

fn walk(backend: &str, write: Write<'_>) {
    let etcd = Etcd::start().unwrap();
    let mut nginx = Nginx::new();
    let (front, one, two) = (free_port(), free_port(), free_port());
    nginx.serve("one.conf", one, "one");
    nginx.serve("two.conf", two, "two");
    nginx.start();
    until("nginx", || fetch(one).is_some() && fetch(two).is_some());

    let binary = binary().unwrap().display().to_string();
    let tree = format!("-c {} -p {}", nginx.path("nginx.conf").display(), nginx.path("").display());
    let check = format!(
        "{binary} nginx-check {{{{.src}}}} --dest {{{{.dest}}}} --conf {} --prefix {}",
        nginx.path("nginx.conf").display(),
        nginx.path("").display()
    );
    let dest = nginx.path("conf.d/www.example.com.conf");
    fs::remove_file(nginx.path("confd/conf.d/site.conf.toml")).unwrap();
    let resource = format!(
        "[template]\nprefix = \"/myapp\"\nsrc = \"nginx.tmpl\"\ndest = \"{}\"\n\
         keys = [\n    \"/subdomain\",\n    \"/upstream\",\n]\n\
         check_cmd = \"{check}\"\nreload_cmd = \"/usr/sbin/nginx -s reload {tree}\"\n",
        dest.display()
    );
    fs::write(nginx.path("confd/conf.d/www.example.com.toml"), resource).unwrap();
    let template = TEMPLATE.replace("PORT", &front.to_string());
    fs::write(nginx.path("confd/templates/nginx.tmpl"), template).unwrap();

    let mut confd = vipward_tests::servers::Daemon::new(&binary).unwrap();
    let confdir = nginx.path("confd").display().to_string();
    let run_dir = nginx.path("run").display().to_string();
    let words = ["confd", "-watch", "-confdir", &confdir, "-run-dir", &run_dir, "-backend", backend, "-node"];
    confd.set_arguments(words.iter().map(ToString::to_string).chain([etcd.url()]).collect());
    confd.start(|| true).unwrap();
    until("the wait for keys to be told", || confd.log().contains("waiting for key `/myapp/subdomain`"));
    assert!(!dest.exists());

    write(&etcd, "/myapp/subdomain", Some("myapp"));
    write(&etcd, "/myapp/upstream/app1", Some(&format!("127.0.0.1:{one}")));
    until("a request to reach the first upstream", || fetch(front).as_deref() == Some("one"));
    write(&etcd, "/myapp/upstream/app2", Some(&format!("127.0.0.1:{two}")));
    until("a request to reach the second upstream", || fetch(front).as_deref() == Some("two"));
    write(&etcd, "/myapp/upstream/app1", None);
    until("the first upstream to leave the file", || !read(&dest).contains(&one.to_string()));
    // Workers of before may answer for a moment.
    until("only the second upstream to answer", || (0..10).all(|_| fetch(front).as_deref() == Some("two")));
    assert!(!read(&dest).contains(&format!(":{one};")), "{}", read(&dest));
    confd.stop().unwrap();
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn v3(etcd: &Etcd, key: &str, value: Option<&str>) {
    match value {
        Some(value) => etcd.ctl(&["put", key, value]).unwrap(),
        None => etcd.ctl(&["del", key]).unwrap(),
    };
}

fn v2(etcd: &Etcd, key: &str, value: Option<&str>) {
    match value {
        Some(value) => etcd.v2("PUT", key, &format!("value={value}")).unwrap().good().unwrap(),
        None => etcd.v2("DELETE", key, "").unwrap().good().unwrap(),
    };
}

#[test]
fn upstreams_come_and_go_with_keys_that_etcdctl_sets() {
    walk("etcd", &v3);
}

#[test]
fn upstreams_come_and_go_with_keys_of_the_v2_api() {
    walk("etcd", &v2);
    walk("etcdv2", &v2);
}

//! The templates that ship: both syntaxes render the same, and nginx takes it.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vipward::render::keys::Keys;
use vipward::render::resource::{self, Defaults};
use vipward::render::template::{Context, Template};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates")
}

const SERVERS: [(&str, &str); 3] =
    [("/upstream/a", "127.0.0.1:8081"), ("/upstream/b", "127.0.0.1:8082"), ("/upstream/c", "127.0.0.1:8083")];

const OPTIONS: [(&str, &str); 4] =
    [("/weight/a", "5"), ("/backup/c", "true"), ("/down/b", "true"), ("/balance", "least_conn")];

fn keys(parts: &[&[(&str, &str)]]) -> Keys {
    let mut keys = Keys::default();
    for (key, value) in parts.concat() {
        keys.set(key, value);
    }
    keys
}

/// What a template renders, the same in both syntaxes.
fn rendered(name: &str, keys: &Keys) -> String {
    let folder = shipped().join("templates");
    let [go, handlebars] = ["tmpl", "hbs"].map(|syntax| {
        let template = Template::load(&folder, &format!("{name}.{syntax}")).unwrap();
        template.render(keys, &Context::default()).unwrap()
    });
    assert_eq!(go, handlebars, "{name}: Go's syntax and Handlebars differ");
    go
}

/// Has nginx check a configuration around `http` and `stream`, where there is one.
fn accepted(http: &str, stream: &str) {
    if Command::new("nginx").arg("-v").output().is_err() {
        eprintln!("nginx is not installed: what it says is not tested");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Debian has streams in a package of their own.
    let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
    if !stream.is_empty() && !module.exists() {
        eprintln!("nginx has no module for streams: what it says is not tested");
        return;
    }
    let load = if stream.is_empty() { String::new() } else { format!("load_module {};\n", module.display()) };
    let stream = if stream.is_empty() { String::new() } else { format!("stream {{\n{stream}}}\n") };
    // Ports of its own, for a check binds them.
    let http = http.replace("listen 80;", "listen 127.0.0.1:18080;").replace("listen [::]:80;", "");
    let config = format!(
        "{load}error_log stderr;\npid {0}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{http}}}\n{stream}",
        folder.path().display()
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, &config).unwrap();
    let check =
        Command::new("nginx").arg("-t").arg("-c").arg(&file).arg("-p").arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}\n{config}");
}

#[test]
fn a_plain_virtual_host() {
    let keys = keys(&[&SERVERS, &[("/server_name", "www.example.com example.com")]]);
    let text = rendered("vhost.conf", &keys);
    insta::assert_snapshot!(text);
    accepted(&text, "");
}

#[test]
fn a_virtual_host_with_everything() {
    let tls = [
        ("/server_name", "www.example.com"),
        ("/tls/certificate", "/etc/ssl/www.pem"),
        ("/tls/certificate_key", "/etc/ssl/www.key"),
        ("/health_path", "/healthz"),
    ];
    let text = rendered("vhost.conf", &keys(&[&SERVERS, &OPTIONS, &tls]));
    insta::assert_snapshot!(text);
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=www.example.com"])
        .arg("-keyout")
        .arg(folder.path().join("key"))
        .arg("-out")
        .arg(folder.path().join("pem"))
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("openssl makes no certificate: what nginx says is not tested");
        return;
    }
    let place = |name: &str| folder.path().join(name).display().to_string();
    let text = text
        .replace("/etc/ssl/www.pem", &place("pem"))
        .replace("/etc/ssl/www.key", &place("key"))
        .replace("listen 443 ssl;", "listen 127.0.0.1:18443 ssl;")
        .replace("listen [::]:443 ssl;", "");
    accepted(&text, "");
}

#[test]
fn streams() {
    let keys = keys(&[&SERVERS, &OPTIONS, &[("/name", "postgres main"), ("/listen", "127.0.0.1:15432")]]);
    let text = rendered("stream.conf", &keys);
    insta::assert_snapshot!(text);
    accepted("", &text);
}

#[test]
fn a_host_without_servers_renders_an_empty_upstream_which_min_upstreams_holds_back() {
    let text = rendered("vhost.conf", &keys(&[&[("/server_name", "www.example.com")]]));
    assert!(text.contains("upstream www_example_com {\n}\n"), "{text}");
}

#[test]
fn a_missing_key_is_named() {
    for name in ["vhost.conf.tmpl", "vhost.conf.hbs"] {
        let template = Template::load(&shipped().join("templates"), name).unwrap();
        let error = template.render(&Keys::default(), &Context::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}:2:")) && error.contains("`/server_name`"), "{error}");
    }
}

/// Every resource can be used as it is, and its template compiles.
#[test]
fn resources_are_complete() {
    let loaded = resource::load(&shipped(), &Defaults::default());
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    assert_eq!(loaded.resources.len(), 2);
    for resource in loaded.resources {
        let name = resource.src.strip_prefix(shipped().join("templates")).unwrap();
        Template::load(&shipped().join("templates"), &name.to_string_lossy()).unwrap();
    }
}

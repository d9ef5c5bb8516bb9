//! Whole directories of resources.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

struct Confd {
    dir: tempfile::TempDir,
}

impl Confd {
    fn new() -> Confd {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(dir.path().join("conf.d")).expect("created");
        fs::create_dir_all(dir.path().join("templates")).expect("created");
        fs::write(dir.path().join("templates/a.tmpl"), "").expect("written");
        Confd { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path().join("conf.d").join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("created");
        fs::write(path, text).expect("written");
    }

    fn load(&self) -> Loaded {
        load(self.path(), &Defaults::default())
    }

    /// What is said of one resource that holds `lines` besides what it must have.
    fn said(&self, lines: &str) -> Vec<String> {
        self.put("x.toml", &format!("[template]\nsrc=\"a.tmpl\"\ndest=\"/run/x\"\nkeys=[\"/k\"]\n{lines}\n"));
        let folder = format!("{}/", self.path().display());
        self.load().findings.iter().map(|finding| finding.to_string().replace(&folder, "")).collect()
    }

    fn one(&self, lines: &str) -> Resource {
        let said = self.said(lines);
        self.load().resources.pop().unwrap_or_else(|| panic!("{said:?}"))
    }
}

#[test]
fn what_confds_users_have_is_read() {
    let confd = Confd::new();
    confd.put(
        "sites/www.toml",
        "[template]\nsrc = \"a.tmpl\"\ndest = \"/run/www.conf\"\nowner = \"root\"\ngid = 7\nmode = \"644\"\nprefix = \"/www\"\n\
         keys = [\"/domain\", \"upstream/\"]\ncheck_cmd = \"nginx -t -c {{.src}}\"\nreload_cmd = \"service nginx reload\"\n",
    );
    let loaded = confd.load();
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    let resource = loaded.resources.first().expect("one");
    assert_eq!(resource.name, "sites/www.toml");
    assert_eq!(resource.src, confd.path().join("templates/a.tmpl"));
    assert_eq!((resource.mode, resource.uid, resource.gid), (Some(0o644), Some(0), Some(7)));
    assert_eq!(resource.paths().collect::<Vec<_>>(), ["/www/domain", "/www/upstream"]);
    assert_eq!(resource.reload, Some(Reload::Command("service nginx reload".into())));
    assert_eq!(resource.check_timeout, CHECK_TIMEOUT);
}

#[test]
fn what_we_add_is_read() {
    let confd = Confd::new();
    let resource = confd.one(
        "reload=\"nginx\"\nnginx_conf=\"/n.conf\"\nwait=\"10ms:2s\"\ncreate_dest_dirs=true\ncheck_timeout=\"1m\"\n\
         reload_timeout=5\nmin_upstreams=2\nuid=-1\ncheck_cmd=\"\"",
    );
    let wait = Wait { min: Duration::from_millis(10), max: Duration::from_secs(2) };
    assert_eq!(resource.wait, Some(wait));
    assert_eq!(resource.reload, Some(Reload::Nginx { conf: Some("/n.conf".into()), prefix: None }));
    assert_eq!((resource.check_timeout.as_secs(), resource.reload_timeout.as_secs()), (60, 5));
    assert_eq!((resource.min_upstreams, resource.uid, resource.check), (Some(2), None, None));
    assert!(resource.create_dest_dirs);
}

#[test]
fn mistakes_are_named_with_their_place_and_a_remedy() {
    let confd = Confd::new();
    let cases = [
        ("reload_cdm=\"x\"", "5:1: error: unknown key `reload_cdm`; did you mean `reload_cmd`?"),
        ("mode=\"999\"", "5:6: error: `999` are no permissions: write octal digits as in \"0644\""),
        ("mode=644", "5:6: error: write `mode` as a string of octal digits, as in \"0644\""),
        ("uid=\"root\"", "5:5: error: `uid` must be a whole number, not a string"),
        ("owner=\"no-such-user\"", "5:7: error: there is no user `no-such-user`"),
        ("uid=0\nowner=\"root\"", "6:7: error: `uid` and `owner` say the same: keep one of them"),
        ("reload=\"apache\"", "5:8: error: `reload` knows \"nginx\" and not `apache`"),
        ("wait=\"2s:1s\"", "5:6: error: the upper bound of the wait `2s:1s` is below its minimum"),
        ("check_cmd=\"x {{.val}}\"", "5:11: error: `{{.val}}` is not known here"),
        ("min_upstreams=-1", "5:15: error: -1 is out of range"),
        ("mode=", "5:6: error: "),
        ("[templates]\na=1", "5:2: error: unknown table or key `templates`; did you mean `template`?"),
    ];
    for (lines, expected) in cases {
        let said = confd.said(lines);
        assert!(
            said.iter().any(|line| line.starts_with(&format!("conf.d/x.toml:{expected}"))),
            "{lines}: {said:?}"
        );
        let loaded = confd.load();
        assert!(loaded.resources.is_empty() && loaded.rejected.len() == 1, "{lines}");
    }
    confd.put("x.toml", "[template]\n");
    let said: Vec<String> = confd.load().findings.iter().map(ToString::to_string).collect();
    for name in ["src", "dest", "keys"] {
        assert!(said.iter().any(|line| line.contains(&format!("`{name}` is missing"))), "{said:?}");
    }
}

#[test]
fn a_bad_resource_leaves_its_neighbours_and_a_shared_dest_is_named_twice() {
    let confd = Confd::new();
    let good = |dest: &str| format!("[template]\nsrc=\"a.tmpl\"\ndest=\"{dest}\"\nkeys=[]\n");
    let link = confd.path().join("link");
    symlink(confd.path().join("real"), &link).expect("linked");
    confd.put("a.toml", &good(&confd.path().join("real").display().to_string()));
    confd.put("b.toml", "broken");
    confd.put("c.toml", &good(&link.display().to_string()));
    confd.put("d.toml", &good("/run/d"));
    confd.put("not-a-resource.txt", "broken");
    let loaded = confd.load();
    let names: Vec<&str> = loaded.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names, ["a.toml", "d.toml"]);
    let (file, why) = loaded.rejected.last().expect("two");
    assert!(file.ends_with("conf.d/c.toml"));
    assert!(why.contains("c.toml") && why.contains("a.toml already"), "{why}");
}

#[test]
fn templates_stay_in_their_folder_and_destinations_are_files() {
    let confd = Confd::new();
    symlink("/etc/passwd", confd.path().join("templates/out.tmpl")).expect("linked");
    let text = |src: &str, dest: &str| format!("[template]\nsrc=\"{src}\"\ndest=\"{dest}\"\nkeys=[]\n");
    let cases = [
        ("../x.tmpl", "/run/x", "the template must be in "),
        ("out.tmpl", "/run/x", "is a link to /etc/passwd, outside of "),
        ("none.tmpl", "/run/x", "cannot find the template "),
        ("a.tmpl", "/run", "/run is a folder: `dest` must be a file"),
        ("a.tmpl", "x", "`dest` must be an absolute path"),
    ];
    for (src, dest, expected) in cases {
        confd.put("x.toml", &text(src, dest));
        let loaded = confd.load();
        assert!(
            loaded.rejected.iter().any(|(_, why)| why.contains(expected)),
            "{src} {dest}: {:?}",
            loaded.rejected
        );
    }
    confd.put("x.toml", &text("/a.tmpl", "/run/x"));
    assert_eq!(confd.load().resources.len(), 1, "confd joins an absolute src to its folder");
}

#[test]
fn prefixes_are_joined_or_replaced() {
    let confd = Confd::new();
    confd.said("prefix=\"own\"");
    let prefix = |prefix: &str, prefix_rule| {
        let mut loaded = load(confd.path(), &Defaults { prefix: prefix.into(), prefix_rule });
        (loaded.resources.pop().expect("one").prefix, loaded.findings.len())
    };
    assert_eq!(prefix("", PrefixRule::Join), ("/own".into(), 0));
    assert_eq!(prefix("global/", PrefixRule::Join), ("/global/own".into(), 0));
    assert_eq!(prefix("", PrefixRule::Replace), ("/own".into(), 0));
    assert_eq!(prefix("/global", PrefixRule::Replace), ("/global".into(), 1), "with a warning");
}

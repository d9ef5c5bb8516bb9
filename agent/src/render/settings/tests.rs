//! Whole command lines.

use std::fs;

use super::*;

fn of(line: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let found =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let words = line.split_whitespace().map(str::to_owned);
    // The machine's own /etc/confd is not part of the test.
    let words = if line.contains("confdir") || line.contains("config-file") {
        words.collect::<Vec<_>>()
    } else {
        ["-confdir".to_owned(), "/nonexistent".into()].into_iter().chain(words).collect()
    };
    match for_confd(words, found).map_err(|error| error.to_string())? {
        Invocation::Run(settings, _) => Ok(settings),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn gos_forms_of_flags_are_all_understood() {
    let expected =
        of("-watch -backend etcdv3 -node http://a:1 -node http://b:2 -prefix /p", &[]).expect("plain");
    assert_eq!(expected.schedule, Schedule::Watch);
    assert_eq!(expected.nodes, ["http://a:1", "http://b:2"]);
    let others = [
        "--watch --backend=etcdv3 --node=http://a:1 --node http://b:2 --prefix=/p",
        "-watch=true -backend=etcdv3 -node=http://a:1 -node=http://b:2 -prefix=/p -noop=false --",
    ];
    for line in others {
        assert_eq!(of(line, &[]).as_ref(), Ok(&expected), "{line}");
    }
}

#[test]
fn defaults_are_confds() {
    let settings = of("", &[]).expect("nothing given");
    assert_eq!((settings.backend, settings.schedule), (Backend::Etcd, Schedule::Every(DEFAULT_INTERVAL)));
    assert_eq!((settings.scheme.as_deref(), settings.filter.as_str()), (None, "*"));
    assert_eq!(settings.prefix_rule, PrefixRule::Replace);
    let nodes = |backend: &str| of(&format!("-backend {backend}"), &[]).expect(backend).nodes;
    assert_eq!(nodes("etcdv2"), ["http://127.0.0.1:4001"]);
    assert_eq!(nodes("etcdv3"), ["127.0.0.1:2379"]);
    assert_eq!(nodes("consul"), ["127.0.0.1:8500"]);
    assert_eq!(nodes("redis"), ["127.0.0.1:6379"]);
    assert_eq!(nodes("zookeeper"), ["127.0.0.1:2181"]);
    assert!(nodes("env").is_empty());
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(
        dir.path().join("confd.toml"),
        "backend = \"redis\"\nprefix = \"/file\"\ninterval = 5\nnodes = [\"f:1\", \"f:2\"]\nclient_cakeys = \"/ca\"\n\
         log-level = \"warning\"\nsecret_keyring = \"x\"\n",
    )
    .expect("written");
    let confdir = format!("-confdir {}", dir.path().display());
    let file = of(&confdir, &[]).expect("file alone");
    assert_eq!((file.backend, file.prefix.as_str()), (Backend::Redis, "/file"));
    assert_eq!(file.nodes, ["f:1", "f:2"]);
    assert_eq!(file.schedule, Schedule::Every(Duration::from_secs(5)));
    assert_eq!(file.log_level, Some(tracing::Level::WARN));
    let variables =
        [("CONFD_PREFIX", "/env"), ("CONFD_NODES", "e:1, e:2"), ("CONFD_CLIENT_CAKEYS", "/env-ca")];
    let env = of(&confdir, &variables).expect("environment");
    assert_eq!((env.prefix.as_str(), env.tls.ca), ("/env", Some("/env-ca".into())));
    assert_eq!(env.nodes, ["e:1", "e:2"]);
    let line =
        of(&format!("{confdir} -prefix /line -node l:1 -backend consul"), &variables).expect("command line");
    assert_eq!((line.prefix.as_str(), line.backend), ("/line", Backend::Consul));
    assert_eq!(line.nodes, ["l:1"]);
}

#[test]
fn etcdctls_peers_are_for_etcd() {
    let peers = [("ETCDCTL_PEERS", "http://a:1,http://b:2")];
    assert_eq!(of("-backend etcd", &peers).expect("etcd").nodes, ["http://a:1", "http://b:2"]);
    assert_eq!(of("-backend redis", &peers).expect("redis").nodes, ["127.0.0.1:6379"]);
    assert_eq!(of("-node n:1", &peers).expect("node").nodes, ["n:1"]);
}

#[test]
fn srv_records_stand_in_for_nodes() {
    let settings = of("-backend consul -srv-domain example.com -scheme https", &[]).expect("domain");
    assert_eq!(settings.srv_record.as_deref(), Some("_consul._tcp.example.com."));
    assert!(settings.nodes.is_empty());
    let named = of("-srv-record _etcd-client._tcp.example.com", &[]).expect("record");
    assert_eq!(named.srv_record.as_deref(), Some("_etcd-client._tcp.example.com"));
}

#[test]
fn what_cannot_be_used_is_named_with_where_it_was_given() {
    let cases = [
        ("-bakend etcd", "unknown flag -bakend; did you mean backend?"),
        ("-backend", "-backend needs a value"),
        ("-backend vault", "-backend: vipward has no store `vault`; it has etcd, etcdv2"),
        ("-backend ectd", "-backend: there is no store `ectd`: use one of etcd"),
        ("-table x", "-table belongs to a store that vipward does not have"),
        ("-interval soon", "-interval: write a number of seconds, at least 1"),
        ("-watch=perhaps", "-watch: write true or false"),
        ("-scheme ftp", "-scheme: write http or https"),
        (
            "-client-insecure",
            "-client-insecure: vipward trusts no unknown certificate: name its CA with -client-ca-keys",
        ),
        ("-backend file", "-backend: the file store needs -file"),
        ("-client-cert /c", "-client-cert: a certificate needs its key"),
        ("start", "unexpected argument `start`"),
        ("-config-file /nonexistent.toml", "/nonexistent.toml:1:1: error: cannot read it"),
    ];
    for (line, expected) in cases {
        let error = of(line, &[]).expect_err(line);
        assert!(error.starts_with(expected), "{line}: {error}");
    }
    let error = of("", &[("CONFD_INTERVAL", "x")]).expect_err("environment");
    assert!(error.starts_with("CONFD_INTERVAL: write a number"), "{error}");

    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("c.toml");
    let told = |text: &str| {
        fs::write(&file, text).expect("written");
        of(&format!("-config-file {}", file.display()), &[])
            .expect_err(text)
            .replace(&file.display().to_string(), "F")
    };
    assert_eq!(told("\nnods = []"), "F:2:1: error: unknown key `nods`; did you mean `nodes`?");
    assert_eq!(told("watch = 1"), "F:1:9: error: `watch` must be true or false, not a integer");
    assert_eq!(told("scheme = \"x\""), "F:1:10: write http or https");
}

#[test]
fn secrets_are_not_shown() {
    let settings = of("-username u -password hunter2 -auth-token hunter3 -basic-auth", &[]).expect("parses");
    assert!(!format!("{settings:?}").contains("hunter"));
    assert_eq!(
        settings.credentials.map(|user| user.password.expose().to_owned()).as_deref(),
        Some("hunter2")
    );
}

#[test]
fn the_agents_own_options_join_prefixes_and_watch() {
    use crate::cli::{Cli, Command};
    use clap::Parser;
    let run = |words: &[&str]| {
        let line = ["vipward", "run", "--run-dir", "/run/x"].iter().chain(words);
        let Command::Run(run) = Cli::parse_from(line).command else { panic!("not run") };
        for_run(&run.render, &run.run_dir.run_dir, |_| None).expect("usable")
    };
    assert_eq!(run(&[]).map(|(settings, _)| settings), None);
    let (settings, _) = run(&[
        "--confdir",
        "/nonexistent",
        "--backend",
        "redis",
        "--node",
        "a:1",
        "--node",
        "b:2",
        "--prefix",
        "/p",
    ])
    .expect("asked for");
    assert_eq!((settings.schedule, settings.prefix_rule), (Schedule::Watch, PrefixRule::Join));
    assert_eq!(settings.nodes, ["a:1", "b:2"]);
    assert_eq!(settings.run_dir, PathBuf::from("/run/x"));
}

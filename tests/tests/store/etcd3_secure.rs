//! etcd v3 with TLS and with users.

use std::time::{Duration, Instant};

use serde_json::json;
use vipward::render::store::{Backend, Options};
use vipward_tests::servers::{Etcd, Setting};

use crate::certificates::Authority;
use crate::support::{Following, options, read_once};

fn secure(etcd: &Etcd, authority: &Authority) -> Options {
    let mut options = options(Backend::EtcdV3, &[etcd.url()]);
    options.client_ca = Some(authority.cert.clone());
    options
}

fn with_certificates(authority: &Authority, valid: bool, client_certs: bool) -> Etcd {
    let server = authority.issue("server", valid);
    let tls = Some((authority.cert.clone(), server.cert, server.key));
    Etcd::with(Setting { tls, client_certs, more: Vec::new() }).unwrap()
}

#[test]
fn tls_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let client = authority.issue("client", true);
    let etcd = with_certificates(&authority, true, true);
    let mut options = secure(&etcd, &authority);
    let error = read_once(options.clone(), &["/k"]).unwrap_err().to_string();
    assert!(error.contains(&etcd.url()), "{error}");
    options.client_cert = Some(client.cert);
    options.client_key = Some(client.key);
    let following = Following::start(options, &["/k"]);
    following.connected();
    etcd.ctl(&["put", "/k/x", "1"]).unwrap();
    following.has("/k/x", "1");
}

#[test]
fn certificates_that_do_not_hold_are_named_as_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let stranger = Authority::new(folder.path(), "stranger");
    let expired = with_certificates(&authority, false, false);
    let error = read_once(secure(&expired, &authority), &["/k"]).unwrap_err().to_string();
    assert!(error.contains(&expired.url()) && error.contains("xpired"), "{error}");
    let good = with_certificates(&authority, true, false);
    assert!(read_once(secure(&good, &authority), &["/k"]).is_ok());
    let error = read_once(secure(&good, &stranger), &["/k"]).unwrap_err().to_string();
    assert!(error.contains(&good.url()) && error.contains("UnknownIssuer"), "{error}");
    let plain = options(Backend::EtcdV3, &[good.url().replace("https", "http")]);
    let error = read_once(plain, &["/k"]).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1"), "{error}");
    let mut missing = secure(&good, &authority);
    missing.client_ca = Some("/no/such.pem".into());
    let error = read_once(missing, &["/k"]).unwrap_err().to_string();
    assert!(error.contains("--client-ca-keys") && error.contains("/no/such.pem"), "{error}");
}

#[test]
fn users_and_tokens_that_run_out() {
    let more = vec!["--auth-token-ttl=1".to_owned()];
    let mut etcd = Etcd::with(Setting { more, ..Setting::default() }).unwrap();
    etcd.put("/other", b"1").unwrap();
    for (method, body) in [
        ("auth/user/add", json!({"name": "root", "password": "secret"})),
        ("auth/user/grant", json!({"user": "root", "role": "root"})),
        ("auth/role/add", json!({"name": "reader"})),
        (
            "auth/role/grant",
            json!({"name": "reader", "perm": {"permType": "READ", "key": "L2s=", "range_end": "L2w="}}),
        ),
        ("auth/user/add", json!({"name": "confd", "password": "pass"})),
        ("auth/user/grant", json!({"user": "confd", "role": "reader"})),
        ("auth/enable", json!({})),
    ] {
        etcd.v3(method, &body).unwrap();
    }
    let put = |etcd: &Etcd, value: &str| etcd.ctl(&["--user", "root:secret", "put", "/k/x", value]).unwrap();
    put(&etcd, "1");
    let as_user = |user: &str, password: &str| {
        let mut options = options(Backend::EtcdV3, &[etcd.url()]);
        options.username = Some(user.to_owned());
        options.password = Some(password.into());
        options
    };
    for (wrong, prefix) in [
        (as_user("confd", "wrong"), "/k"),
        (as_user("confd", "pass"), "/other"),
        (options(Backend::EtcdV3, &[etcd.url()]), "/k"),
    ] {
        let error = read_once(wrong, &[prefix]).unwrap_err().to_string();
        assert!(error.contains(&etcd.url()) && error.contains("refuses us"), "{error}");
        assert!(!error.contains("pass;"), "{error}");
    }
    let following = Following::start(as_user("confd", "pass"), &["/k"]);
    following.has("/k/x", "1");
    // Tokens live for a second after their last use: this one's runs out between any two checks.
    let mut seldom = as_user("confd", "pass");
    seldom.timeouts.check = Duration::from_millis(2_500);
    let seldom = Following::start(seldom, &["/k"]);
    seldom.connected();
    let since = seldom.live.health();
    let began = Instant::now();
    following.until("two checks to pass", |_| began.elapsed() > Duration::from_millis(5_500));
    assert_eq!(seldom.live.health(), since, "the token was renewed on the way");
    drop(seldom);
    // And none survives a restart.
    for round in ["2", "3"] {
        etcd.daemon().kill();
        following.lost();
        etcd.restart().unwrap();
        put(&etcd, round);
        following.has("/k/x", round);
    }
}

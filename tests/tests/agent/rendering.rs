//! Configuration files that the agent renders beside its elections.

use std::fs;

use anyhow::Result;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::agent;

const TEMPLATE: &str = "upstream www {\n{{range getvs \"/www/upstream/*\"}}  server {{.}};\n{{end}}}\n# {{getv \"/www/name\"}}\n";

/// A key changes in the store, the file follows, and nobody's mastership does.
#[test]
fn a_file_follows_its_store_while_the_agent_is_master() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let folder = pair.a.host.folder().to_owned();
    let (confdir, keys, dest) = (folder.join("confd"), folder.join("keys.json"), folder.join("www.conf"));
    for part in ["conf.d", "templates"] {
        fs::create_dir_all(confdir.join(part))?;
    }
    fs::write(confdir.join("templates/www.tmpl"), TEMPLATE)?;
    let resource =
        format!("[template]\nsrc = \"www.tmpl\"\ndest = \"{}\"\nkeys = [\"/www\"]\n", dest.display());
    fs::write(confdir.join("conf.d/www.toml"), resource)?;
    let store = |servers: &str| {
        // Renamed into place, as whoever keeps such a file does it.
        let next = folder.join("keys.next");
        fs::write(&next, format!(r#"{{"www": {{"name": "example", "upstream": {{{servers}}}}}}}"#))?;
        fs::rename(&next, &keys)
    };
    store(r#""a": "10.0.0.1:80""#)?;
    let path = |path: &std::path::Path| path.display().to_string();
    pair.a.options = ["--confdir", &path(&confdir), "--backend", "file", "--store-file", &path(&keys)]
        .map(str::to_owned)
        .to_vec();
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    let shows = |servers: &str| {
        let wanted = format!("upstream www {{\n{servers}}}\n# example\n");
        pair.wait("the rendered file", || fs::read_to_string(&dest).is_ok_and(|text| text == wanted))
    };
    shows("  server 10.0.0.1:80;\n")?;
    let before = agent(&pair.a)?.status()?;
    store(r#""a": "10.0.0.1:80", "b": "10.0.0.2:80""#)?;
    shows("  server 10.0.0.1:80;\n  server 10.0.0.2:80;\n")?;
    let json = agent(&pair.a)?.ask(&["status", "--json"])?;
    pair.ensure(json.contains("www.conf"), || format!("status does not show the resource: {json}"))?;
    let after = agent(&pair.a)?.status()?;
    let transitions = |status: &vipward_tests::lab::vipward::Status| {
        status.instances.iter().map(|instance| instance.transitions).sum::<u64>()
    };
    pair.ensure(transitions(&before) == transitions(&after), || "a transition".to_owned())
}

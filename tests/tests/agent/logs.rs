//! The log's level at run time.

use anyhow::Result;
use serde_json::Value;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{agent, logged};

fn level(pair: &Pair) -> Result<Value> {
    let status: Value = serde_json::from_str(&agent(&pair.a)?.ask(&["status", "--json"])?)?;
    Ok(status["log_level"].clone())
}

#[test]
fn the_level_changes_without_a_restart() -> Result<()> {
    for options in [&[][..], &["--log-format", "json"]] {
        let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
        pair.a.options = options.iter().map(|option| (*option).to_owned()).collect();
        pair.a.start()?;
        pair.serves(Side::A)?;
        assert_eq!(level(&pair)?, "info");
        let said = agent(&pair.a)?.ask(&["log-level", "error"])?;
        assert_eq!(said, "the log's level is error now (it was info)\n");
        assert_eq!(level(&pair)?, "error");
        agent(&pair.a)?.ask(&["reload"])?;
        let text = agent(&pair.a)?.ask(&["status"])?;
        assert!(text.contains("logging from level error on"), "{text}");
        agent(&pair.a)?.ask(&["log-level", "debug"])?;
        pair.wait("the change to be logged", || {
            logged(&pair.a, "the log's level is debug now (it was error)")
        })?;
        pair.ensure(!logged(&pair.a, "reloaded "), || "what was below the level is logged".to_owned())?;
        agent(&pair.a)?.ask(&["reload"])?;
        pair.wait("the next reload to be logged", || logged(&pair.a, "reloaded "))?;
        assert!(agent(&pair.a)?.ask(&["log-level", "loud"]).is_err());
    }
    Ok(())
}

//! The recorded corpus: what Go with confd's functions made of each template.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    template: String,
    keys: BTreeMap<String, String>,
    output: Option<String>,
    #[serde(default)]
    error: bool,
}

/// Templates that a program wrote at random, over one set of keys, with what Go made of them.
#[derive(Deserialize)]
struct Random {
    keys: BTreeMap<String, String>,
    cases: Vec<RandomCase>,
}

#[derive(Deserialize)]
struct RandomCase {
    template: String,
    output: Option<String>,
}

#[test]
fn templates_written_at_random_render_as_in_go() {
    let text = include_str!("../../../../../tests/corpora/confd/go-random-cases.json");
    let random: Random = serde_json::from_str(text).unwrap();
    assert!(random.cases.len() > 500, "the corpus is there");
    let mut keys = Keys::default();
    for (key, value) in &random.keys {
        keys.set(key, value);
    }
    let mut wrong = Vec::new();
    for case in &random.cases {
        let rendered = Template::compile("case.tmpl".as_ref(), &case.template, Syntax::Go)
            .and_then(|template| template.render(&keys, &context()));
        if rendered.as_ref().ok() != case.output.as_ref() {
            wrong.push(format!("{:?}\n gives {rendered:?}\n and not {:?}", case.template, case.output));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_recorded_template_renders_as_in_go() {
    let text = include_str!("../../../../../tests/corpora/confd/go-template-cases.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 150, "the corpus is there");
    let mut wrong = Vec::new();
    for case in &cases {
        let mut keys = Keys::default();
        for (key, value) in &case.keys {
            keys.set(key, value);
        }
        let rendered = Template::compile("case.tmpl".as_ref(), &case.template, Syntax::Go)
            .and_then(|template| template.render(&keys, &context()));
        let right = match &rendered {
            Ok(text) => !case.error && Some(text) == case.output.as_ref(),
            Err(_) => case.error,
        };
        if !right {
            wrong.push(format!("{}: {} gives {rendered:?}", case.name, case.template));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

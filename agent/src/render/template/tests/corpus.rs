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

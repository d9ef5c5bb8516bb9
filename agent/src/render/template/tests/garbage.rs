//! Whatever the text, the end is a text or an error.

use proptest::prelude::*;

use super::*;

const GO: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "(",
    ")",
    "|",
    ".",
    ".a",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "\"a\"",
    "`b`",
    "'c'",
    "1",
    "1.5",
    "-2",
    "0x",
    "nil",
    "true",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define \"d\"",
    "template \"d\"",
    "block \"e\"",
    "break",
    "continue",
    "print",
    "printf \"%5.2v\"",
    "index",
    "list",
    "dict",
    "getvs \"/*\"",
    "json",
    "seq 1 3",
    "and",
    "or",
    "eq",
    "len",
    "slice",
    "/*",
    "*/",
    "é",
    "\\",
    "datetime",
    ".Format",
    "include \"x\"",
    "regexMatch \"[\"",
];

const HANDLEBARS: &[&str] = &[
    "{{",
    "}}",
    "{{{",
    "}}}",
    "{{{{raw}}}}",
    "{{{{/raw}}}}",
    "{{#",
    "{{/",
    "{{^",
    "{{else}}",
    "{{else if a}}",
    "{{~",
    "~}}",
    "{{!",
    "{{!--",
    "--}}",
    "{{>",
    "{{#*inline \"p\"}}",
    "{{/inline}}",
    "{{> p}}",
    "{{#if",
    "{{/if}}",
    "{{#each",
    "{{/each}}",
    "{{#with",
    "{{/with}}",
    "{{&",
    "(",
    ")",
    "[",
    "]",
    "|",
    "as |x|",
    " ",
    "\n",
    "a",
    "this",
    "../a",
    "@index",
    "@root",
    "=",
    "\"s\"",
    "'t'",
    "1",
    "-1.5",
    "1E9",
    "true",
    "null",
    "(list 1 2)",
    "getv \"/k\"",
    "lookup",
    "\\",
    "é",
    ".",
    "/",
    "else",
    "{{#if true}}",
    "{{#each (list 1 2)}}",
    "{{this}}",
    "x=1",
    "include \"x\"",
];

fn soup(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(words), 0..25).prop_map(|words| words.concat())
}

fn tame(text: &str, syntax: Syntax) {
    let limits =
        Limits { steps: 100_000, made: 1 << 20, output: 1 << 16, value: 1 << 16, ..Limits::default() };
    match Template::compile("t".as_ref(), text, syntax)
        .and_then(|template| template.render(&keys(&[("/k", "v")]), &Context { limits, ..context() }))
    {
        Ok(_) => {}
        Err(error) => {
            assert!(error.line >= 1);
            assert!(error.line as usize <= text.matches('\n').count() + 1, "{text:?}: {error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn go_soup_is_a_text_or_an_error(text in soup(GO)) {
        tame(&text, Syntax::Go);
    }

    #[test]
    fn handlebars_soup_is_a_text_or_an_error(text in soup(HANDLEBARS)) {
        tame(&text, Syntax::Handlebars);
    }

    #[test]
    fn any_text_is_a_text_or_an_error(text in "\\PC{0,40}", inside in "[ -~]{0,30}") {
        for syntax in [Syntax::Go, Syntax::Handlebars] {
            tame(&text, syntax);
            tame(&format!("{{{{{inside}}}}}{text}"), syntax);
        }
    }

    #[test]
    fn any_format_is_a_text(format in "[%+#0 .*\\[\\]1-9a-zA-Z-]{0,12}", number in any::<i64>(), float in any::<f64>(), text in ".{0,8}") {
        let pairs = [("/f", format.as_str()), ("/t", text.as_str())];
        let float = if float.is_finite() { format!("{float:e}") } else { "1.0".to_owned() };
        let template = format!("{{{{printf (getv \"/f\") {number} {float} (getv \"/t\") (list 1 \"a\" nil) (dict \"k\" 1.5)}}}}");
        let _ = render(&template, Syntax::Go, &pairs);
    }
}

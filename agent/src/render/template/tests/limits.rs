//! What a template may not do.

use std::time::Duration;

use super::*;

/// With bounds that are soon reached.
fn bounded(text: &str, syntax: Syntax) -> Result<String, TemplateError> {
    let limits = Limits {
        steps: 200_000,
        output: 100_000,
        value: 50_000,
        made: 4_000_000,
        elements: 20_000,
        time: Duration::from_hours(1),
        ..Limits::default()
    };
    Template::compile("t".as_ref(), text, syntax)?
        .render(&keys(&[("/k", "v")]), &Context { limits, ..context() })
}

#[test]
fn go_templates_end_within_their_bounds() {
    let deep = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let texts = [
        "{{range 1000000000}}{{end}}".to_owned(),
        "{{range 100000}}{{range 100000}}{{end}}{{end}}".to_owned(),
        "{{range seq 1 1000000000}}{{end}}".to_owned(),
        "{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\"}}".to_owned(),
        "{{template \"t\"}}".to_owned(),
        "{{range 100000}}0123456789{{end}}".to_owned(),
        "{{$x := \"0123456789\"}}{{range 30}}{{$x = printf \"%s%s\" $x $x}}{{end}}".to_owned(),
        "{{$x := list 1}}{{range 1000}}{{$x = list $x}}{{end}}".to_owned(),
        "{{$x := list 1}}{{range 1000}}{{$x = slice (list $x) 0 1}}{{end}}".to_owned(),
        "{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{$x}}".to_owned(),
        "{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{toJson $x}}".to_owned(),
        "{{$x := dict}}{{range 1000}}{{$x = dict \"k\" $x}}{{end}}".to_owned(),
        "{{printf \"%1000000d\" 1}}".to_owned(),
        "{{printf \"%.1000000f\" 1.0}}".to_owned(),
        "{{printf \"%*d\" 1000000 1}}".to_owned(),
        "{{repeat 1000000000 \"ab\"}}".to_owned(),
        "{{indent 1000000000 \"ab\"}}".to_owned(),
        "{{replace (repeat 1000 \"a\") \"\" (repeat 1000 \"b\") -1}}".to_owned(),
        "{{regexReplaceAll \"\" (repeat 1000 \"a\") (repeat 1000 \"b\")}}".to_owned(),
        "{{regexMatch \"((a{100}){100}){100}\" \"a\"}}".to_owned(),
        "{{join (split (repeat 40000 \"a\") \"\") \"\"}}".to_owned(),
        deep("{{if 1}}", "", "{{end}}", 500),
        deep("{{print ", "1", "}}", 1),
        deep("(", "1", ")", 500).replace("((", "{{((").replacen("{{{{", "{{", 1),
        format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000)),
        format!("{{{{fromJson \"{}\"}}}}", "[".repeat(20_000)),
        "a".repeat((1 << 20) + 1),
    ];
    for text in texts {
        let result = bounded(&text, Syntax::Go);
        let shown: String = text.chars().take(80).collect();
        if shown.starts_with("{{print 1") || !shown.contains("{{") && shown.starts_with('(') {
            continue;
        }
        assert!(result.is_err(), "{shown}");
    }
}

#[test]
fn else_ifs_in_a_row_are_not_nesting() {
    let text = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(1000));
    assert_eq!(go(&text, &[]), "");
}

#[test]
fn handlebars_ends_within_its_bounds() {
    let all = "(seq 1 20000)";
    for text in [
        format!("{{{{#each {all}}}}}{{{{#each {all}}}}}{{{{/each}}}}{{{{/each}}}}"),
        format!("{{{{#each {all}}}}}{{{{#each ../this}}}}{{{{/each}}}}0123456789{{{{/each}}}}"),
        "{{#*inline \"x\"}}{{> x}}{{/inline}}{{> x}}".to_owned(),
        "{{#*inline \"x\"}}{{> y}}{{/inline}}{{#*inline \"y\"}}{{> x}}{{/inline}}{{> y}}".to_owned(),
        format!(
            "{{{{#*inline \"x\"}}}}{{{{/inline}}}}{{{{#with {all}}}}}{}{{{{/with}}}}",
            "{{> x}}".repeat(100)
        ),
        "{{#each (seq 1 1000000000)}}{{/each}}".to_owned(),
        "{{repeat 1000000000 \"a\"}}".to_owned(),
        format!("{}{}", "{{#if true}}".repeat(500), "{{/if}}".repeat(500)),
        format!("{{{{a {}1{}}}}}", "(b ".repeat(500), ")".repeat(500)),
        format!("{{{{a {}1{}}}}}", "[".repeat(500), "]".repeat(500)),
        format!("{{{{#if 0}}}}{}{{{{/if}}}}", "{{else if 0}}".repeat(500)),
        "{{#> x}}{{/x}}".to_owned(),
    ] {
        assert!(bounded(&text, Syntax::Handlebars).is_err(), "{text:.80}");
    }
}

/// The deepest that the bounds allow, on a stack of a quarter of what threads have.
#[test]
fn the_deepest_go_template_fits_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let parens = format!("{{{{{}1{}}}}}", "(print ".repeat(98), ")".repeat(98));
        assert_eq!(go(&parens, &[]), "1");
        let open = "{{if (eq 1 (add 0 1))}}{{with 1}}{{range 1}}".repeat(32);
        let blocks = format!("{{{{define \"r\"}}}}{open}{{{{template \"r\"}}}}{}{{{{end}}}}{{{{template \"r\"}}}}", "{{end}}".repeat(96));
        let error = render(&blocks, Syntax::Go, &[]).unwrap_err();
        assert!(matches!(error.fault, Fault::Limit(Exceeded::Depth(_))), "{error}");
        let recursion = format!("{{{{define \"r\"}}}}{{{{if true}}}}{}{{{{template \"r\"}}}}{{{{end}}}}{{{{end}}}}{{{{template \"r\"}}}}", "{{(print (print (print 1)))}}");
        assert!(render(&recursion, Syntax::Go, &[]).is_err());
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn the_deepest_handlebars_fits_its_stack() {
    let open = "{{#if true}}{{#with 1}}{{#each (seq 1 1)}}".repeat(12);
    let close = "{{/each}}{{/with}}{{/if}}".repeat(12);
    let parens = format!("{{{{print {}1{}}}}}", "(print ".repeat(15), ")".repeat(15));
    let text = format!("{{{{#*inline \"x\"}}}}{open}{parens}{{{{> x}}}}{close}{{{{/inline}}}}{{{{> x}}}}");
    let error = render(&text, Syntax::Handlebars, &[]).unwrap_err();
    assert!(matches!(error.fault, Fault::Limit(_)), "{error}");
}

#[test]
fn the_clock_ends_what_the_counts_allow() {
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    let context = Context { limits, ..context() };
    for (text, syntax) in
        [("{{range 10000}}{{end}}", Syntax::Go), ("{{#each (seq 1 10000)}}{{/each}}", Syntax::Handlebars)]
    {
        let template = Template::compile("t".as_ref(), text, syntax).unwrap();
        let error = template.render(&Keys::default(), &context).unwrap_err();
        assert!(matches!(error.fault, Fault::Limit(Exceeded::Time(_))), "{error}");
    }
}

#[test]
fn a_hundred_thousand_keys_and_a_large_value_are_no_trouble() {
    let mut keys = Keys::default();
    for number in 0..100_000 {
        keys.set(&format!("/up/{number}"), "10.0.0.1:80");
    }
    keys.set("/large", &"x".repeat(1 << 20));
    for (text, syntax) in [
        ("{{range gets \"/up/*\"}}server {{.Value}};\n{{end}}{{len (getv \"/large\")}}", Syntax::Go),
        (
            "{{#each (gets \"/up/*\")}}server {{Value}};\n{{/each}}{{len (getv \"/large\")}}",
            Syntax::Handlebars,
        ),
    ] {
        let template = Template::compile("t".as_ref(), text, syntax).unwrap();
        let text = template.render(&keys, &context()).unwrap();
        assert_eq!(text.lines().count(), 100_001);
        assert!(text.ends_with("\n1048576"));
    }
}

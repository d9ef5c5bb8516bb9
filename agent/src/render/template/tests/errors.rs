//! Every error names its file and line.

use super::*;

#[test]
fn errors_of_go_templates_have_the_line_of_the_action() {
    for (text, shown) in [
        ("\n\n{{if true}}x", "t.tmpl:3: `if` without its `{{end}}`"),
        ("a\n{{end}}", "t.tmpl:2: `{{end}}` without a block that it ends"),
        ("a\n{{else}}", "t.tmpl:2: `{{else}}` outside of a block"),
        ("\n{{getx 1}}", "t.tmpl:2: there is no function `getx`; did you mean `get`?"),
        ("\n\n{{$x}}", "t.tmpl:3: `$x` is not defined here; `{{$x := …}}` defines it"),
        (
            "{{getv\n \"/a\"}}\n{{range 1}}{{getv \"/none\"}}{{end}}",
            "t.tmpl:3: getv: the store has no key `/none`",
        ),
        (
            "{{define \"x\"}}\n{{index (seq 1 2) 9}}{{end}}\n{{template \"x\"}}",
            "t.tmpl:2: index: there is no element 9",
        ),
        ("\n{{template \"y\"}}", "t.tmpl:2: there is no template `y`"),
        ("{{cgetv \"/a\"}}", "t.tmpl:1: cgetv: encrypted values (crypt) are gone from confd"),
        ("{{if .}}{{else with .}}{{end}}", "t.tmpl:1: confd's Go has no `{{else with}}`"),
        ("\n{{\"a", "t.tmpl:2: a \" without its closing \""),
        ("{{/* a", "t.tmpl:1: a comment without its `*/`"),
        ("{{eq 1 \"1\"}}", "t.tmpl:1: eq: a int and a string cannot be compared"),
    ] {
        let error = render(text, Syntax::Go, &[("/a", "1")]).unwrap_err().to_string();
        assert!(error.starts_with(shown), "{text:?} gives {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn errors_of_handlebars_have_the_line_of_the_tag() {
    for (text, shown) in [
        ("\n{{#if (exists \"/a\")}}\n", "t.hbs:2: `#if` without its `{{/if}}`"),
        ("\n\n{{getv \"/none\"}}", "t.hbs:3: getv: the store has no key `/none`"),
        ("\n{{#each (gets \"/*\")}}\n{{nope}}{{/each}}", "t.hbs:3: `nope` is neither a value nor a helper"),
        ("\n{{getx \"/a\"}}", "t.hbs:2: there is no helper `getx`; did you mean `get`?"),
        ("\n{{if (getv)}}", "t.hbs:2: getv: takes at least 1 arguments and gets 0"),
        ("\n{{getv \"/a\" \"}}", "t.hbs:2: a tag without its `}}`"),
        ("\n{{a b c=}}", "t.hbs:2: this is no Handlebars"),
    ] {
        let error = render(text, Syntax::Handlebars, &[("/a", "1")]).unwrap_err().to_string();
        assert!(error.starts_with(shown), "{text:?} gives {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn control_characters_do_not_get_into_messages() {
    let error = render("{{getv \"/\\x1b[31m\"}}", Syntax::Go, &[]).unwrap_err().to_string();
    assert!(!error.contains('\x1b'), "{error:?}");
}

//! Handlebars with our helpers.

use super::*;

const PAIRS: [(&str, &str); 4] =
    [("/up/a", "10.0.0.1"), ("/up/b", "10.0.0.2"), ("/n", "3"), ("/j", "{\"k\":[1,\"<\"]}")];

#[test]
fn functions_are_helpers_and_their_results_values() {
    for (text, shown) in [
        ("{{getv \"/n\"}} {{getv \"/none\" \"d\"}}", "3 d"),
        ("{{#each (getvs \"/up/*\")}}server {{this}};{{/each}}", "server 10.0.0.1;server 10.0.0.2;"),
        (
            "{{#each (gets \"/up/*\")}}{{base Key}}={{Value}}{{#unless @last}},{{/unless}}{{/each}}",
            "a=10.0.0.1,b=10.0.0.2",
        ),
        ("{{#each (gets \"/none/*\")}}x{{else}}empty{{/each}}", "empty"),
        ("{{add (atoi (getv \"/n\")) 1}} {{join (split \"a,b\" \",\") \";\"}}", "4 a;b"),
        ("{{#if (and (exists \"/n\") (eq 1 1))}}y{{else if true}}z{{/if}}", "y"),
        ("{{#with (json (getv \"/j\"))}}{{lookup k 0}}{{k.[1]}}{{/with}}", "1<"),
        ("{{toUpper \"a&b\"}} {{{toUpper \"x\"}}}", "A&B X"),
        ("{{#each (reverse (getvs \"/up/*\"))}}{{this}} {{/each}}", "10.0.0.2 10.0.0.1 "),
        ("{{printf \"%05d|%s\" 42 \"a\"}}", "00042|a"),
        ("{{#*inline \"p\"}}[{{x}}]{{/inline}}{{> p x=1}}", "[1]"),
        ("{{{{raw}}}}{{x}}{{{{/raw}}}} \\{{y}}", "{{x}} {{y}}"),
        ("{{#each (dict \"b\" 1 \"a\" 2)}}{{@key}}{{this}}{{/each}}", "a2b1"),
    ] {
        assert_eq!(hbs(text, &PAIRS), shown, "{text}");
    }
    assert_eq!(hbs("{{datetime \"2006\"}}", &[]).len(), 4);
}

#[test]
fn a_value_that_is_not_there_is_an_error() {
    assert!(render("{{nope}}", Syntax::Handlebars, &[]).is_err());
    assert!(render("{{add nope 1}}", Syntax::Handlebars, &[]).is_err());
    assert!(render("{{#each nope}}{{/each}}", Syntax::Handlebars, &[]).is_err());
    assert!(render("{{#getv \"/n\"}}{{/getv}}", Syntax::Handlebars, &PAIRS).is_err());
}

//! Functions beyond what the corpora show.

use super::*;

const PAIRS: [(&str, &str); 6] =
    [("/a", "top"), ("/a/x", "2"), ("/a/y/z", "1"), ("/ab", "3"), ("/s/b", "10"), ("/s/a", "9")];

#[test]
fn the_store_is_listed_as_in_memkv() {
    for (text, shown) in [
        ("{{ls \"/a\"}}", "[a x y]"),
        ("{{ls \"/a/\"}}", "[x y]"),
        ("{{ls \"/\"}}", "[a ab]"),
        ("{{ls \"a\"}}", "[]"),
        ("{{lsdir \"/a\"}}", "[y]"),
        ("{{gets \"/s/*\"}}", "[{/s/a 9} {/s/b 10}]"),
        ("{{getvs \"/s/*\"}}", "[10 9]"),
        ("{{exists \"/a/\"}} {{exists \"a\"}} {{exists \"//a\"}}", "false false false"),
        ("{{gets \"//*\"}}{{gets \"s/*\"}}", "[][]"),
        ("{{reverse (gets \"/s/*\")}}", "[{/s/a 9} {/s/b 10}]"),
        ("{{reverse (sortKVByLength (gets \"/s/*\"))}}", "[{/s/b 10} {/s/a 9}]"),
        ("{{reverse (getvs \"/s/*\")}}", "[9 10]"),
    ] {
        assert_eq!(go(text, &PAIRS), shown, "{text}");
    }
}

#[test]
fn the_extras_do_what_their_names_say() {
    for (text, shown) in [
        ("{{default \"d\" \"\"}} {{\"\" | default \"d\"}} {{default \"d\" \"v\"}}", "d d v"),
        ("{{ternary \"y\" \"n\" true}} {{coalesce \"\" 0 \"c\"}}", "y c"),
        ("{{toJson (dict \"a\" (list 1 2.5 \"<\") \"b\" nil)}}", "{\"a\":[1,2.5,\"\\u003c\"],\"b\":null}"),
        ("{{(fromJson \"{\\\"a\\\":[1]}\").a}}", "[1]"),
        ("{{indent 2 \"a\\nb\"}}|{{nindent 1 \"a\"}}", "  a\n  b|\n a"),
        ("{{quote \"a\\\"b\"}} {{squote \"a\"}}", "\"a\\\"b\" 'a'"),
        ("{{regexMatch \"^a+$\" \"aa\"}} {{regexReplaceAll \"(a)(b)\" \"abab\" \"$2$1\"}}", "true baba"),
        ("{{trimPrefix \"v1\" \"v\"}} {{repeat 3 \"ab\"}}", "1 ababab"),
        ("{{sha256sum \"\"}}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("{{hasKey (dict \"a\" 1) \"a\"}} {{keys (dict \"b\" 1 \"a\" 2)}}", "true [a b]"),
        ("{{base64Decode \"YQ==\\n\"}}", "a"),
        ("{{range $i, $x := 2}}{{$i}}{{end}}", "01"),
        ("{{datetime.Month | printf \"%T\"}} {{len (datetime.UTC.Format \"2006\")}}", "time.Month 4"),
        (
            "{{lookupIP \"web\"}} {{lookupIPV4 \"web\"}} {{lookupIPV6 \"web\"}}",
            "[192.0.2.10 192.0.2.9 2001:db8::1] [192.0.2.10 192.0.2.9] [2001:db8::1]",
        ),
        ("{{range lookupSRV \"http\" \"tcp\" \"x\"}}{{.Target}}:{{.Port}} {{end}}", "a.:81 b.:80 "),
    ] {
        assert_eq!(go(text, &PAIRS), shown, "{text}");
    }
}

#[test]
fn nobody_answering_is_not_nobody_there() {
    let error = render("{{lookupIP \"silent\"}}", Syntax::Go, &[]).unwrap_err();
    assert_eq!(error.to_string(), "t.tmpl:1: lookupIP: `silent`: no answer in time");
    assert_eq!(go("{{lookupIP \"nobody\"}}", &[]), "[]");
    // Names that never exist are not asked for.
    let real = Context::default();
    let template =
        Template::compile("t".as_ref(), "{{lookupSRV \"a\" \"tcp\" \"x.invalid\"}}", Syntax::Go).unwrap();
    assert_eq!(template.render(&Keys::default(), &real).unwrap(), "[]");
}

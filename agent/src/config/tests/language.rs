//! What parameters, conditions, sequences and lists expand to: the forms that keepalived's manual has examples of,
//! and what keepalived 2.2.7 was seen to do where the manual is silent.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::config::diagnostic::Findings;
use crate::config::language::{Expansion, Language};
use crate::config::{Options, load_str};

/// The lines that come out of `text` for the host `one`, without what is empty, and what is said of them.
fn expand(text: &str) -> (Vec<String>, Vec<String>) {
    let mut findings = Findings::new(false);
    let mut language = Language::new("one".to_owned());
    let file = Arc::new("f".into());
    let mut expansion = Expansion::new(&file, Path::new("/etc/x"), text);
    let mut lines = Vec::new();
    while let Some(line) = expansion.next(&mut language, &mut findings) {
        let line = line.as_str().trim();
        if !line.is_empty() {
            lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    language.finish(&mut findings);
    (lines, findings.into_sorted(&[]).iter().map(ToString::to_string).collect())
}

#[track_caller]
fn gives(text: &str, expected: &[&str]) {
    let (lines, said) = expand(text);
    assert_eq!(lines, expected, "{said:#?}");
    assert!(said.is_empty(), "{said:#?}");
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    let (lines, said) = expand(text);
    assert_eq!(said, expected, "{lines:#?}");
}

#[test]
fn values_are_looked_into_where_they_are_used() {
    let text = "$NET=10.2.${SITE}\n$SITE=0\n${NET}.100/32\n$SITE=10\n${NET}.100/32";
    gives(text, &["10.2.0.100/32", "10.2.10.100/32"]);
    gives("$A=$B\n$B=x\na$A b", &["ax b"]);
    gives("$A=$B\n$B=x\n$BC=y\n${A}C", &["y"]);
    gives("$A=\na${A}b $A", &["ab"]);
    gives("  $A= spaced  value   # comment\n\"$A \"", &["\"spaced value \""]);
    gives("$A=\"x # y\" z\n$A", &["\"x # y\" z"]);
    gives("$A=b=c\n${A}d", &["b=cd"]);
}

#[test]
fn uses_are_replaced_anywhere_but_in_comments() {
    gives("$A=5\n'${A}' \"${A}\" \\$A ${A}${A} $$A x # $A", &["'5' \"5\" \\5 55 $5 x # $A"]);
    // What is not defined may be a shell's.
    gives("script \"x $HOME ${HOME} $1 $(y)\"", &["script \"x $HOME ${HOME} $1 $(y)\""]);
}

#[test]
fn predefined_parameters_have_their_values() {
    gives("${_PWD}/a $_INSTANCE ${_INSTANCE}x", &["/etc/x/a one onex"]);
    // Not the beginning of a comment.
    gives("a${_HASH}b \"${_BANG}\"", &["a\\#b \"!\""]);
    gives("$A=${_HASH}\na$A b", &["a\\# b"]);
    gives("$_PWD=/mine\n${_PWD}", &["/mine"]);
    let (lines, _) = expand("${_RANDOM} ${_RANDOM 9} ${_RANDOM 5 5} $_RANDOM");
    let numbers: Vec<u32> = lines[0].split(' ').map(|word| word.parse().unwrap()).collect();
    assert!(numbers.len() == 4 && numbers[1] >= 9 && numbers[2] == 5, "{numbers:?}");
    assert!(numbers.iter().all(|number| *number <= 32_767), "{numbers:?}");
}

#[test]
fn conditional_lines_are_for_one_host_or_all_others() {
    let text = "@one a\n@two b\n@^one c\n@^two d\n @one\te # f\n@one{ g\n@one @^two h";
    gives(text, &["a", "d", "e # f", "h"]);
    gives("@one $P=240\n@two $P=200\npriority $P", &["priority 240"]);
    gives("$IF=@one\n$IF priority 240\n$IF2=@two\n$IF2 priority 200\n@one x", &["priority 240", "x"]);
    // A value is left out whole.
    gives("@one x\n@two $V= \\\na \\\nb\n@one $V= \\\nc \\\nd\n$V", &["x", "c", "d"]);
}

#[test]
fn values_of_several_lines_take_the_place_of_their_use() {
    let text = "$I= \\\n instance ${N} { \\\n  @one priority 130 \\\n  @two priority 120 \\\n }\n$N=0\n$I\n$N=1\n$I # again";
    gives(text, &["instance 0 {", "priority 130", "}", "instance 1 {", "priority 130", "}"]);
    gives("$A=a \\\nb\n$A\nx $A\n@one $A\n{ $A", &["a", "b", "x a", "b", "a", "b", "{ a", "b"]);
    gives("$A= \\\nonly\n$A x", &["only x"]);
    // Comments are no part of it and do not end it.
    gives("$A= \\\na # x \\\n# y\n! z \\\nb\nc\n$A", &["c", "a", "b"]);
}

#[test]
fn values_may_define_and_use_others() {
    let text = "$INNER= \\\nreal ${OUT}.${IN} { \\\n}\n$OUTER= \\\nserver ${OUT} { \\\n $IN=1 \\\n $INNER \\\n $IN=2 \\\n \
                $INNER \\\n}\n$OUT=7\n$OUTER";
    gives(text, &["server 7 {", "real 7.1 {", "}", "real 7.2 {", "}", "}"]);
    gives("$A= \\\na \\\n$B= \\\nb1 \\\nb2\n$A\n$B", &["a", "b1", "b2"]);
    gives("$A=$B=7\n${A}\nx${B}", &["x7"]);
}

#[test]
fn an_empty_line_ends_a_value_unless_a_brace_is_open() {
    gives("$A= \\\na \\\n\nb\n$A", &["b", "a"]);
    // As in an example of the manual.
    gives("$A= \\\na { \\\n b \\\n\n c \\\n\n}\nd\n$A", &["d", "a {", "b", "c", "}"]);
    gives("$A= \\\n\nb\nx${A}y", &["b", "xy"]);
}

#[test]
fn sequences_repeat_the_rest_of_their_line() {
    gives("~SEQ(S, 0, 2) ip 10.0.${S}.1", &["ip 10.0.0.1", "ip 10.0.1.1", "ip 10.0.2.1"]);
    gives("~SEQx(S, 144, 16, 176) a::${S}:1", &["a::90:1", "a::a0:1", "a::b0:1"]);
    gives(
        "~SEQx(A, 0x90, 0x10, 0xa0) ~SEQx(B, 0x12, -1, 0x11) ${A}:${B}",
        &["90:12", "90:11", "a0:12", "a0:11"],
    );
    gives("~SEQ(A,1,2) ~SEQ(B,1,${A}) ${A}${B}", &["11", "21", "22"]);
    gives("$MAX=2\n~SEQ(A,$MAX) $A\n~SEQ(B,1,${MAX})$B", &["1", "2", "1", "2"]);
    gives("@one ~SEQ(A,1,2) @^two ${A}\n@two ~SEQ(B,1,2) b", &["1", "2"]);
}

#[test]
fn sequences_and_values_may_hold_each_other() {
    let text = "$F= \\\nfile ${I}.${N} { \\\n weight -${N} \\\n}\n~SEQ(I,0,1) ~SEQ(N,1,2) $F";
    let expected: Vec<String> = ["0.1", "0.2", "1.1", "1.2"]
        .iter()
        .flat_map(|it| [format!("file {it} {{"), format!("weight -{}", &it[2..]), "}".to_owned()])
        .collect();
    assert_eq!(expand(text), (expected, Vec::new()));
    gives("$W=~SEQ(A,1,2) w${A}\n$W\n$W", &["w1", "w2", "w1", "w2"]);
    gives("$V= \\\n~SEQ(A,1,2) x${A} \\\ny\n$V", &["x1", "x2", "y"]);
    // The variable keeps its last value.
    gives("~SEQ(A,1,2) $B=${A}\n${B} ${A}", &["2 2"]);
}

#[test]
fn lists_set_one_parameter_or_several() {
    gives("~LST(A, 1, x) ~LST(B, 5,6) ${A}.${B}", &["1.5", "1.6", "x.5", "x.6"]);
    gives(
        "~LST({A,   B},  {10,1},{20,4})  ~SEQ(C,168,2,170) 192.${C}.${A}.${B}",
        &["192.168.10.1", "192.170.10.1", "192.168.20.4", "192.170.20.4"],
    );
    gives("$LONG=v\n~LST(A,${LONG},$LONG,) x${A} y", &["xv y", "xv y", "x y"]);
}

#[test]
fn what_cannot_be_expanded_names_the_line_and_a_remedy() {
    says(
        "~SEQ(N,1,-1,2) x",
        &["f:1:1: error: this sequence cannot be read: a step of -1 does not lead from 1 to 2"],
    );
    says(
        "~LST(N) x",
        &["f:1:1: error: this sequence cannot be read: it has at least one value: `~LST(VAR, VALUE, …)`"],
    );
    says("~SEQ(N,1 x", &["f:1:1: error: this sequence cannot be read: its `)` is missing"]);
    says(
        "$V= \\\na \\\nb\n x $V y",
        &[
            "f:4:4: error: `$V` has several lines, see f:1:1, and something follows it here; begin a new line after it",
        ],
    );
    says(
        "$A=5\nb $A/24",
        &[
            "f:2:3: warning: `$A` is not replaced here, for there is neither space, comma nor `)` after it; write `${A}`",
        ],
    );
    says("@ x", &["f:1:1: error: `@` names no host; write it as in `@node1 priority 100`"]);
    says(
        "@lb1 x\n@lb2 y",
        &[
            "f:1:1: warning: no line is for `one`, there are some for `lb1`, `lb2`; say which one this node is with \
         `--config-id`",
        ],
    );
}

#[test]
fn parameters_that_are_not_there_are_told_where_they_are_meant() {
    says("a ${NAME}", &["f:1:3: error: there is no parameter `$NAME`; define it above, as in `$NAME=VALUE`"]);
    says(
        "$NAMES=x\na \"${NAME}\"",
        &["f:2:4: warning: there is no parameter `$NAME`, and this stays as it is; did you mean `${NAMES}`?"],
    );
    says(
        "a $LATE\n$LATE=x",
        &[
            "f:1:3: warning: there is no parameter `$LATE`, and this stays as it is; f:2:1 defines it, and only what comes \
         after that can use it",
        ],
    );
}

#[test]
fn what_never_ends_is_refused() {
    let contains = "contains itself, see f:1:1; values are looked into where they are used: give the new one a name of \
                    its own";
    says(
        "$A=${A}x\na ${A}",
        &[&format!("f:2:3: error: the value of `$A` {contains} (`$A` is defined in line 1)")],
    );
    let (lines, said) = expand("$A=${B}\n$B=${C}\n$C=${A}\n${B}");
    assert!(lines.is_empty() && said.len() == 1 && said[0].contains("contains itself"), "{said:?}");
    let (lines, said) = expand("$M= \\\na \\\n$M\n$M");
    assert!(lines == ["a"] && said.len() == 1 && said[0].contains("contains itself"), "{lines:?} {said:?}");
    // Nobody uses it.
    gives("$A=${A}x\nb", &["b"]);
}

#[test]
fn what_grows_without_end_is_bounded() {
    let mut text = "$A0=xxxxxxxxxxxxxxxx\n".to_owned();
    for number in 1..20 {
        let _ = writeln!(text, "$A{number}=${{A{0}}}${{A{0}}}", number - 1);
    }
    let (_, said) = expand(&(text + "a ${A19}"));
    assert!(said.len() == 1 && said[0].contains("longer than 65536 characters"), "{said:?}");

    let mut text = String::new();
    for number in 1..40 {
        let _ = writeln!(text, "$A{number}=${{A{}}}", number + 1);
    }
    let (_, said) = expand(&(text + "$A40=x\na ${A1}"));
    assert!(said.len() == 1 && said[0].contains("more than 32 values within each other"), "{said:?}");

    let mut text = "$A0= \\\nx \\\ny\n".to_owned();
    for number in 1..30 {
        let _ = write!(text, "$A{number}= \\\n$A{0} \\\n$A{0}\n", number - 1);
    }
    let (lines, said) = expand(&(text + "$A29\nz"));
    assert!(said.len() == 1 && said[0].contains("make more than 262144 lines"), "{said:?}");
    assert_eq!(lines.last().map(String::as_str), Some("z"), "what is no expansion is still read");

    let (lines, said) = expand("~SEQ(N,1,999999999999) x\ny");
    assert!(lines == ["y"] && said.len() == 1 && said[0].contains("make more than"), "{said:?}");
    let (_, said) = expand(&("$V=v\n".to_owned() + &"~SEQ(N,1,1) ".repeat(100) + "x"));
    assert!(said.len() == 1 && said[0].contains("within each other"), "{said:?}");
}

const INSTANCE: &str =
    "interface eth0 \\\n virtual_router_id ${ID} \\\n virtual_ipaddress { 10.0.0.${ID} } \\\n";

/// What `vipward check` says of a configuration.
fn checked(text: &str) -> Vec<String> {
    let loaded =
        load_str(Path::new("f"), text, &Options { config_id: Some("one".to_owned()), ..Options::default() });
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn findings_stand_where_the_mistake_is_and_say_how_it_came_there() {
    let text = format!(
        "$I= \\\nvrrp_instance i${{ID}} {{ \\\n {INSTANCE} prioritee 100 \\\n}}\n$ID=1\n$I\n$ID=2\n$I"
    );
    let expected = "f:6:2: error: unknown keyword `prioritee` in `vrrp_instance`; did you mean `priority`? (`$I` is \
                    used in line 9)";
    assert_eq!(checked(&text), [expected], "once for a line");

    let text = format!("$I= \\\nvrrp_instance i${{ID}} {{ \\\n {INSTANCE} }}\n~SEQ(ID, 255, 256) $I");
    let said = checked(&text);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert_eq!(
        said[0],
        "f:4:20: error: `256` is no whole number from 1 to 255 (`$I` is used in line 7, `$ID` is `256`)"
    );

    let text = "$P=300\nvrrp_instance i {\ninterface eth0\nvirtual_router_id 1\npriority $P\nvirtual_ipaddress {\n10.0.0.1\n}\n}";
    let said = checked(text);
    assert_eq!(said, ["f:5:10: error: `300` is no whole number from 1 to 255 (`$P` is defined in line 1)"]);
}

#[test]
fn ten_thousand_instances_come_of_a_few_lines() {
    let text = "$I= \\\nvrrp_instance i${IF}.${ID} { \\\n interface eth${IF} \\\n virtual_router_id ${ID} \\\n \
                virtual_ipaddress { \\\n 10.${IF}.${ID}.1/24 \\\n } \\\n}\n~SEQ(IF,0,39) ~SEQ(ID,1,250) $I";
    let loaded = load_str(Path::new("f"), text, &Options::default());
    let config = loaded.config.expect("no error");
    assert_eq!(config.instances.len(), 10_000);
    assert_eq!(config.instances.last().map(|last| last.name.as_str()), Some("i39.250"));
}

#[test]
fn words_within_a_line_are_no_conditions_sequences_or_definitions() {
    for (line, what) in [("@one x", "condition"), ("~SEQ(N,1,2) x", "sequence"), ("$A=1", "definition")] {
        let said = checked(&format!("global_defs {{ {line}\n}}"));
        assert!(said.len() == 1 && said[0].contains(&format!("is not read as a {what}")), "{said:?}");
    }
    let said = checked("$1=x\n~SEQX(N,1,2) x");
    assert_eq!(said.len(), 2, "{said:?}");
}

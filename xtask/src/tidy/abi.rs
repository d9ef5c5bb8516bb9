//! The kernel ABI: every struct that crosses the line has its size asserted at compile time.

use super::code;
use super::tree::{Finding, Tree};

const ABI: &str = "common/src/abi.rs";

/// Public structs that are not `repr(C)`, or whose size nothing asserts.
pub(super) fn asserted_sizes(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.get(ABI) else {
        return vec![Finding::about(ABI, "not there: this rule must know where the ABI is")];
    };
    let code = code::without_comments_and_literals(&file.text);
    let mut findings = Vec::new();
    let mut layout = "";
    for (number, line) in code.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("#[repr(") {
            layout = line;
        }
        let Some(name) = line.strip_prefix("pub struct ").map(struct_name) else { continue };
        if !layout.starts_with("#[repr(C") {
            findings
                .push(file.finding(number + 1, format!("{name} crosses the kernel line and is not repr(C)")));
        } else if !code.contains(&format!("size_of::<{name}>() ==")) {
            findings.push(file.finding(number + 1, format!("no assertion of size_of::<{name}>()")));
        }
        layout = "";
    }
    findings
}

fn struct_name(rest: &str) -> &str {
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample::{shown, tree};
    use super::*;

    #[test]
    fn an_abi_that_is_elsewhere_is_found_missing() {
        let expected = ["common/src/abi.rs: not there: this rule must know where the ABI is"];
        assert_eq!(shown(&asserted_sizes(&tree(&[("common/src/moved.rs", "")]))), expected);
    }

    #[test]
    fn each_struct_needs_its_layout_and_its_assertion() {
        let text = "#[repr(C)]\npub struct Good {\n}\n#[repr(C)]\npub struct Unasserted {\n}\npub struct Rusty {\n}\n\
                    const _: () = {\n    assert!(size_of::<Good>() == 4);\n};\n// size_of::<Unasserted>() == 4\n";
        let expected = [
            "common/src/abi.rs:5: no assertion of size_of::<Unasserted>()",
            "common/src/abi.rs:7: Rusty crosses the kernel line and is not repr(C)",
        ];
        assert_eq!(shown(&asserted_sizes(&tree(&[(ABI, text)]))), expected);
    }
}

//! Configuration text as an operator would write it: the same for vipward and for keepalived.

use std::fmt;

use super::form::Form;
use crate::lab::Host;
use crate::lab::host::INTERFACE;

/// Virtual router identifier of every [`Conf`].
pub const VRID: u8 = 51;

/// A configuration with one instance, `VI_1`.
#[derive(Clone, Debug)]
pub struct Conf {
    globals: Vec<String>,
    blocks: Vec<String>,
    lines: Vec<String>,
    vips: Vec<String>,
}

impl Conf {
    /// For `host`, whose other router runs on `other`.
    pub fn new(form: Form, host: &Host, other: &Host, priority: u8) -> Conf {
        let (version, interval) = match form {
            Form::V2Pass => (2, "1"),
            _ => (3, "0.1"),
        };
        let mut lines = vec![
            "state BACKUP".to_owned(),
            format!("interface {INTERFACE}"),
            format!("virtual_router_id {VRID}"),
            format!("priority {priority}"),
            format!("version {version}"),
            format!("advert_int {interval}"),
        ];
        match form {
            Form::V2Pass => lines.push(password("s3cret")),
            Form::V3Plain => lines.push("v3_checksum_as_v2".to_owned()),
            Form::V3Unicast => {
                lines.push(format!("unicast_src_ip {}", host.address()));
                lines.push(format!("unicast_peer {{\n        {}\n    }}", other.address()));
            }
            Form::V3 | Form::V3Ipv6 => {}
        }
        Conf {
            // So that a busy machine does not make keepalived miss what the tests are about.
            globals: vec![format!("router_id {}", host.name()), "vrrp_rt_priority 50".to_owned()],
            blocks: Vec::new(),
            lines,
            vips: form.vips().iter().map(ToString::to_string).collect(),
        }
    }

    /// Adds a line, or a block, to the instance.
    #[must_use]
    pub fn with(mut self, line: impl Into<String>) -> Conf {
        self.lines.push(line.into());
        self
    }

    /// Replaces the instance's line that begins with the same word as this one.
    #[must_use]
    pub fn set(mut self, line: &str) -> Conf {
        let word = |line: &str| line.split_whitespace().next().map(str::to_owned);
        self.lines.retain(|old| word(old) != word(line));
        self.with(line)
    }

    /// Takes another password.
    #[must_use]
    pub fn password(self, words: &str) -> Conf {
        self.set(&password(words))
    }

    /// Adds a block at the top level.
    #[must_use]
    pub fn block(mut self, block: impl Into<String>) -> Conf {
        self.blocks.push(block.into());
        self
    }

    /// Adds a line to `global_defs`.
    #[must_use]
    pub fn global(mut self, line: impl Into<String>) -> Conf {
        self.globals.push(line.into());
        self
    }

    /// Removes a line from `virtual_ipaddress`.
    #[must_use]
    pub fn without_vip(mut self, line: &str) -> Conf {
        self.vips.retain(|vip| vip != line);
        self
    }

    /// Adds a line to `virtual_ipaddress`.
    #[must_use]
    pub fn vip(mut self, line: impl Into<String>) -> Conf {
        self.vips.push(line.into());
        self
    }
}

fn password(words: &str) -> String {
    format!("authentication {{\n        auth_type PASS\n        auth_pass {words}\n    }}")
}

impl fmt::Display for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "global_defs {{\n    {}\n}}", self.globals.join("\n    "))?;
        for block in &self.blocks {
            writeln!(f, "{block}")?;
        }
        let (lines, vips) = (self.lines.join("\n    "), self.vips.join("\n        "));
        writeln!(
            f,
            "vrrp_instance VI_1 {{\n    {lines}\n    virtual_ipaddress {{\n        {vips}\n    }}\n}}"
        )
    }
}

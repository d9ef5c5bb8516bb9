//! How answers look: lines for people and scripts, or JSON.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

/// Where answers go, and how.
pub(super) struct Show<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) json: bool,
}

impl Show<'_> {
    /// One answer: as JSON, or as `text` writes it.
    pub(super) fn answer<T: Serialize>(
        &mut self,
        answer: &T,
        text: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut *self.out, answer)?;
            writeln!(self.out)?;
        } else {
            text(answer, self.out)?;
        }
        self.out.flush()
    }
}

/// A value: text as it is, or else base64.
#[derive(Debug)]
pub(super) struct Value(pub(super) Vec<u8>);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Bytes {
            base64: String,
        }
        if let Ok(text) = std::str::from_utf8(&self.0) {
            serializer.serialize_str(text)
        } else {
            Bytes { base64: STANDARD.encode(&self.0) }.serialize(serializer)
        }
    }
}

/// A key and its value.
#[derive(Debug, Serialize)]
pub(super) struct Stored {
    pub(super) key: String,
    /// Absent for a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Value>,
    pub(super) revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
}

/// What is below a key.
#[derive(Debug, Serialize)]
pub(super) struct Listing {
    pub(super) keys: Vec<String>,
}

/// What was deleted.
#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    pub(super) key: String,
    pub(super) deleted: u64,
}

/// How long a key lasts.
#[derive(Debug, Serialize)]
pub(super) struct Lasting {
    pub(super) key: String,
    /// Seconds; none if it lasts until it is deleted.
    pub(super) ttl: Option<i64>,
}

/// A member of a cluster.
#[derive(Debug, Serialize)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) peer_urls: Vec<String>,
    pub(super) client_urls: Vec<String>,
    pub(super) leader: bool,
}

/// How a node is.
#[derive(Debug, Serialize)]
pub(super) struct NodeStatus {
    pub(super) node: String,
    /// Absent if it did not answer.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) facts: Option<Facts>,
    /// Why it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// What a node says about itself.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) version: String,
    /// Id of the member that leads.
    pub(super) leader: String,
    /// Bytes; the v2 API does not tell.
    pub(super) db_size: Option<i64>,
    pub(super) raft_index: u64,
    pub(super) raft_term: u64,
    pub(super) revision: u64,
}

/// The whole cluster.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) api: &'static str,
    pub(super) nodes: Vec<NodeStatus>,
    pub(super) members: Vec<Member>,
}

pub(super) fn lines(listing: &Listing, out: &mut dyn Write) -> io::Result<()> {
    listing.keys.iter().try_for_each(|key| writeln!(out, "{key}"))
}

pub(super) fn members(members: &[Member], out: &mut dyn Write) -> io::Result<()> {
    for member in members {
        let leader = if member.leader { "leader" } else { "follower" };
        let (peers, clients) = (member.peer_urls.join(","), member.client_urls.join(","));
        writeln!(out, "{}  {}  {leader}  peers {peers}  clients {clients}", member.id, member.name)?;
    }
    Ok(())
}

pub(super) fn status(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "api      {}", status.api)?;
    for node in &status.nodes {
        match (&node.facts, &node.error) {
            (Some(facts), _) => {
                let size = facts.db_size.map_or("unknown".to_owned(), |size| format!("{size} bytes"));
                writeln!(
                    out,
                    "node     {}  version {}  leader {}  db {size}  raft index {}  term {}  revision {}",
                    node.node, facts.version, facts.leader, facts.raft_index, facts.raft_term, facts.revision
                )?;
            }
            (None, why) => writeln!(out, "node     {}", why.as_deref().unwrap_or(&node.node))?,
        }
    }
    for member in &status.members {
        let leader = if member.leader { "  leader" } else { "" };
        writeln!(out, "member   {}  {}  {}{leader}", member.id, member.name, member.client_urls.join(","))?;
    }
    Ok(())
}

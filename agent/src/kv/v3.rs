//! The verbs through the v3 API.

use std::collections::BTreeSet;

use etcd_client::{DeleteOptions, GetOptions, KeyValue, PutOptions};

use super::args::Verb;
use super::error::Error;
use super::show::{self, Facts, NodeStatus, Status, Value};
use super::{Deleted, Lasting, Listing, Show, Stored, canonical, value};
use crate::render::store::etcd3::{Connector, Node};
use crate::render::store::{Error as StoreError, Options};

/// Keys in a page of a listing.
const PAGE: i64 = 1_000;

pub(super) struct Client {
    connector: Connector,
    node: Node,
}

impl Client {
    /// Connects to the first node that answers.
    pub(super) async fn connect(options: &Options) -> Result<Client, StoreError> {
        let connector = Connector::new(options)?;
        let mut errors = Vec::new();
        for index in 0..connector.nodes() {
            let connected = async {
                let node = connector.connect(index).await?;
                let mut client = node.client.clone();
                node.ask("a status", client.status()).await?;
                Ok(node)
            };
            match connected.await {
                Ok(node) => return Ok(Client { connector, node }),
                Err(error) => errors.push(error),
            }
        }
        Err(StoreError::of_nodes(errors))
    }

    pub(super) async fn run(&mut self, verb: &Verb, show: &mut Show<'_>) -> Result<(), Error> {
        match verb {
            Verb::Get { key } => {
                let kv = self.get(key).await?.ok_or_else(|| Error::NoKey(key.clone()))?;
                let stored = Stored {
                    key: key.clone(),
                    value: Some(Value(kv.value().to_vec())),
                    revision: unsigned(kv.mod_revision()),
                    ttl: self.ttl(kv.lease()).await?,
                };
                show.answer(&stored, |_, out| {
                    out.write_all(kv.value())?;
                    writeln!(out)
                })?;
            }
            Verb::Set { key, value: given, ttl, dir } => {
                if *dir {
                    return Err(Error::NoDirectories);
                }
                self.set(key, value(given.as_ref())?, *ttl, show).await?;
            }
            Verb::Ls { key, recursive } => {
                let listing = Listing { keys: self.list(key, *recursive).await? };
                show.answer(&listing, show::lines)?;
            }
            Verb::Del { key, recursive } => {
                let mut deleted = self.delete(key, None).await?;
                if *recursive {
                    let (start, end) = below(key);
                    deleted += self.delete(&start, Some(end)).await?;
                }
                if deleted == 0 {
                    return Err(Error::NoKey(key.clone()));
                }
                show.answer(&Deleted { key: key.clone(), deleted }, |answer, out| {
                    writeln!(out, "{} deleted", answer.deleted)
                })?;
            }
            Verb::Ttl { key } => {
                let kv = self.get(key).await?.ok_or_else(|| Error::NoKey(key.clone()))?;
                let lasting = Lasting { key: key.clone(), ttl: self.ttl(kv.lease()).await? };
                show.answer(&lasting, |answer, out| match answer.ttl {
                    Some(seconds) => writeln!(out, "{seconds}"),
                    None => writeln!(out, "none"),
                })?;
            }
            Verb::Members => {
                let members = self.members().await?;
                show.answer(&members, |members, out| show::members(members, out))?;
            }
            Verb::Status => {
                let status = self.status().await?;
                show.answer(&status, show::status)?;
            }
            // Followed, not asked for.
            Verb::Watch { .. } => {}
        }
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let mut kv = self.node.kv.clone();
        let mut answer = self.node.ask("a read", kv.get(key, None)).await?;
        Ok(answer.take_kvs().into_iter().next())
    }

    async fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<i64>,
        show: &mut Show<'_>,
    ) -> Result<(), Error> {
        let mut client = self.node.client.clone();
        let mut options = PutOptions::new();
        if let Some(ttl) = ttl {
            let lease = self.node.ask("a lease", client.lease_grant(ttl, None)).await?;
            options = options.with_lease(lease.id());
        }
        let answer = self.node.ask("a write", client.put(key, value.clone(), Some(options))).await?;
        let revision = answer.header().map_or(0, |header| unsigned(header.revision()));
        let stored = Stored { key: key.to_owned(), value: Some(Value(value)), revision, ttl };
        // Silence is success, as with other tools that set something.
        show.answer(&stored, |_, _| Ok(()))?;
        Ok(())
    }

    async fn delete(&self, start: &str, end: Option<String>) -> Result<u64, StoreError> {
        let mut kv = self.node.kv.clone();
        let options = end.map(|end| DeleteOptions::new().with_range(end));
        let answer = self.node.ask("a write", kv.delete(start, options)).await?;
        Ok(unsigned(answer.deleted()))
    }

    /// Seconds that a lease has left.
    async fn ttl(&self, lease: i64) -> Result<Option<i64>, StoreError> {
        if lease == 0 {
            return Ok(None);
        }
        let mut client = self.node.client.clone();
        let answer = self.node.ask("a lease", client.lease_time_to_live(lease, None)).await?;
        Ok(Some(answer.ttl().max(0)))
    }

    async fn list(&self, key: &str, recursive: bool) -> Result<Vec<String>, StoreError> {
        let (mut start, end) = below(key);
        let base = start.len();
        let mut found = BTreeSet::new();
        loop {
            let mut kv = self.node.kv.clone();
            let options = GetOptions::new().with_range(end.clone()).with_keys_only().with_limit(PAGE);
            let answer = self.node.ask("a read", kv.get(start.clone(), Some(options))).await?;
            for kv in answer.kvs() {
                let full = String::from_utf8_lossy(kv.key()).into_owned();
                let next = full.get(base..).and_then(|rest| rest.find('/')).map(|at| base + at + 1);
                match next.and_then(|next| full.get(..next)) {
                    Some(folder) if !recursive => found.insert(folder.to_owned()),
                    _ => found.insert(full),
                };
            }
            let (true, Some(last)) = (answer.more(), answer.kvs().last()) else {
                return Ok(found.into_iter().collect());
            };
            start = format!("{}\0", String::from_utf8_lossy(last.key()));
        }
    }

    async fn members(&self) -> Result<Vec<show::Member>, StoreError> {
        let mut client = self.node.client.clone();
        let leader = self.node.ask("a status", client.status()).await?.leader();
        let answer = self.node.ask("the members", client.member_list()).await?;
        let members = answer.members().iter().map(|member| show::Member {
            id: format!("{:x}", member.id()),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            client_urls: member.client_urls().to_vec(),
            leader: member.id() == leader,
        });
        Ok(members.collect())
    }

    /// Asks every node, since each has a state of its own.
    async fn status(&self) -> Result<Status, StoreError> {
        let mut nodes = Vec::new();
        for index in 0..self.connector.nodes() {
            let facts = async {
                let node = self.connector.connect(index).await?;
                let mut client = node.client.clone();
                let status = node.ask("a status", client.status()).await?;
                let facts = Facts {
                    version: status.version().to_owned(),
                    leader: format!("{:x}", status.leader()),
                    db_size: Some(status.db_size()),
                    raft_index: status.raft_index(),
                    raft_term: status.raft_term(),
                    revision: status.header().map_or(0, |header| unsigned(header.revision())),
                };
                Ok::<_, StoreError>(facts)
            };
            let node = self.connector.url(index).to_owned();
            nodes.push(match facts.await {
                Ok(facts) => NodeStatus { node, facts: Some(facts), error: None },
                Err(error) => NodeStatus { node, facts: None, error: Some(error.to_string()) },
            });
        }
        Ok(Status { api: "v3", nodes, members: self.members().await? })
    }
}

/// The range of keys below `key`.
fn below(key: &str) -> (String, String) {
    let key = if key.starts_with('/') { canonical(key) } else { key.trim_end_matches('/').to_owned() };
    let key = if key == "/" { String::new() } else { key };
    (format!("{key}/"), format!("{key}0"))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

//! The verbs through the v2 API.

use hyper::Method;
use serde::Deserialize;

use super::args::Verb;
use super::error::Error;
use super::show::{self, Facts, NodeStatus, Status, Value};
use super::{Deleted, Lasting, Listing, Show, Stored, value};
use crate::render::store::etcd2::{Api, Node, garbage};
use crate::render::store::http::{Answer, escape};
use crate::render::store::{Error as StoreError, Options};

pub(super) struct Client {
    api: Api,
    urls: Vec<String>,
    /// The node that answered.
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    id: String,
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
    #[serde(rename = "clientURLs", default)]
    client_urls: Vec<String>,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Version {
    etcdserver: String,
}

impl Client {
    /// Finds the first node that answers.
    pub(super) async fn connect(options: &Options) -> Result<Client, StoreError> {
        let api = Api::new(options)?;
        let urls = options.urls()?;
        let mut errors = Vec::new();
        for url in &urls {
            match api.read(url, "/", false).await {
                Ok(_) => return Ok(Client { api, url: url.clone(), urls }),
                Err(error) => errors.push(error),
            }
        }
        Err(StoreError::of_nodes(errors))
    }

    pub(super) async fn run(&self, verb: &Verb, show: &mut Show<'_>) -> Result<(), Error> {
        match verb {
            Verb::Get { key } => {
                let node = self.find(key, false).await?;
                if node.dir {
                    return Err(Error::Directory(key.clone()));
                }
                show.answer(&stored(&node), |_, out| {
                    writeln!(out, "{}", node.value.as_deref().unwrap_or_default())
                })?;
            }
            Verb::Set { key, value: given, ttl, dir } => {
                let mut form = if *dir {
                    "dir=true".to_owned()
                } else {
                    let text =
                        String::from_utf8(value(given.as_ref())?).map_err(|_| Error::NoText(key.clone()))?;
                    format!("value={}", escape(&text, ""))
                };
                if let Some(ttl) = ttl {
                    form += "&ttl=";
                    form += &ttl.to_string();
                }
                let action = self.api.act(&self.url, Method::PUT, &path(key), "", Some(form)).await?;
                show.answer(&stored(&action.node), |_, _| Ok(()))?;
            }
            Verb::Ls { key, recursive } => {
                let node = self.find(key, *recursive).await?;
                let listing = Listing { keys: list(&node, *recursive) };
                show.answer(&listing, show::lines)?;
            }
            Verb::Del { key, recursive } => {
                let node = self.find(key, true).await?;
                let mut deleted = 0;
                node.leaves(&mut |_, _| deleted += 1);
                let query = format!("?recursive={recursive}&dir={}", node.dir);
                self.api.act(&self.url, Method::DELETE, &path(key), &query, None).await?;
                show.answer(&Deleted { key: key.clone(), deleted }, |answer, out| {
                    writeln!(out, "{} deleted", answer.deleted)
                })?;
            }
            Verb::Ttl { key } => {
                let lasting = Lasting { key: key.clone(), ttl: self.find(key, false).await?.ttl };
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

    async fn find(&self, key: &str, recursive: bool) -> Result<Node, Error> {
        let found = self.api.read(&self.url, &path(key), recursive).await?;
        found.node.ok_or_else(|| Error::NoKey(key.to_owned()))
    }

    async fn ask(&self, url: &str, target: &str) -> Result<Answer, StoreError> {
        let answer = self.api.http.ask(url, "a question", Method::GET, target, None).await?;
        match answer.status {
            200 => Ok(answer),
            status => Err(garbage(url, &format!("{target}: status {status}: {}", answer.text()))),
        }
    }

    async fn members(&self) -> Result<Vec<show::Member>, StoreError> {
        let leader: Member = self.json(&self.url, "/v2/members/leader").await?;
        let members: Members = self.json(&self.url, "/v2/members").await?;
        let members = members.members.into_iter().map(|member| show::Member {
            leader: member.id == leader.id,
            id: member.id,
            name: member.name,
            peer_urls: member.peer_urls,
            client_urls: member.client_urls,
        });
        Ok(members.collect())
    }

    async fn json<T: for<'de> Deserialize<'de>>(&self, url: &str, target: &str) -> Result<T, StoreError> {
        let answer = self.ask(url, target).await?;
        serde_json::from_slice(&answer.body).map_err(|error| garbage(url, &format!("{target}: {error}")))
    }

    async fn status(&self) -> Result<Status, StoreError> {
        let mut nodes = Vec::new();
        for url in &self.urls {
            let (facts, error) = match self.facts(url).await {
                Ok(facts) => (Some(facts), None),
                Err(error) => (None, Some(error.to_string())),
            };
            nodes.push(NodeStatus { node: url.clone(), facts, error });
        }
        Ok(Status { api: "v2", nodes, members: self.members().await? })
    }

    async fn facts(&self, url: &str) -> Result<Facts, StoreError> {
        let version: Version = self.json(url, "/version").await?;
        let leader: Member = self.json(url, "/v2/members/leader").await?;
        let root = self.ask(url, "/v2/keys/").await?;
        Ok(Facts {
            version: version.etcdserver,
            leader: leader.id,
            db_size: None,
            raft_index: root.number("x-raft-index").unwrap_or(0),
            raft_term: root.number("x-raft-term").unwrap_or(0),
            revision: root.number("x-etcd-index").unwrap_or(0),
        })
    }
}

/// The v2 API's keys all begin with a slash.
fn path(key: &str) -> String {
    super::canonical(key)
}

fn stored(node: &Node) -> Stored {
    let value = (!node.dir).then(|| Value(node.value.clone().unwrap_or_default().into_bytes()));
    Stored { key: node.key.clone().unwrap_or_default(), value, revision: node.modified_index, ttl: node.ttl }
}

fn list(node: &Node, recursive: bool) -> Vec<String> {
    let mut keys = Vec::new();
    if recursive {
        node.leaves(&mut |key, _| keys.push(key.to_owned()));
    } else {
        for child in &node.nodes {
            let key = child.key.as_deref().unwrap_or_default();
            keys.push(if child.dir { format!("{key}/") } else { key.to_owned() });
        }
    }
    keys
}

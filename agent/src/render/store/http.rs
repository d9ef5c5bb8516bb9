//! HTTP for etcd's v2 API and Consul. Connections are kept; answers are bounded in time and size.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::error::{Error, chain};
use super::options::{Options, Timeouts};
use super::tls::Pems;

/// Largest answer that is taken: a whole recursive read.
const LARGEST_ANSWER: usize = 256 << 20;
/// A peer that is gone is noticed after a minute even when it owes us nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A client of one store's nodes.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(crate) timeouts: Timeouts,
    headers: HeaderMap,
    store: &'static str,
}

/// The beginning of an answer; a long poll sends the rest when something happens.
pub(crate) struct Head {
    node: String,
    store: &'static str,
    what: &'static str,
    response: Response<Incoming>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(options: &Options, store: &'static str) -> Result<Http, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.timeouts.connect));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE));
        tcp.set_keepalive_retries(Some(3));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(Pems::read(options)?.client_config()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let mut headers = HeaderMap::new();
        if let Some(user) = &options.username {
            let password = options.password.as_ref().map_or("", |password| password.expose());
            let mut value = header(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Http { client, timeouts: options.timeouts, headers, store })
    }

    /// Sends this with every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Result<Http, Error> {
        let mut value = header(value)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends a request and waits for the beginning of the answer, for `patience` longer than an answer may take.
    pub(crate) async fn begin(
        &self,
        node: &str,
        what: &'static str,
        method: Method,
        target: &str,
        form: Option<String>,
        patience: Duration,
    ) -> Result<Head, Error> {
        let build = || {
            let mut request = Request::builder().method(method).uri(format!("{node}{target}"));
            if let Some(headers) = request.headers_mut() {
                headers.extend(self.headers.clone());
                if form.is_some() {
                    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                    headers.insert(CONTENT_TYPE, form);
                }
            }
            request.body(Full::new(Bytes::from(form.unwrap_or_default())))
        };
        let request = build()
            .map_err(|error| Error::Failed { node: node.to_owned(), why: format!("{target}: {error}") })?;
        let limit = patience + self.timeouts.connect + self.timeouts.request;
        match tokio::time::timeout(limit, self.client.request(request)).await {
            Err(_) => Err(Error::Timeout { node: node.to_owned(), what, limit }),
            Ok(Err(error)) => Err(self.meaning(node, &error)),
            Ok(Ok(response)) => Ok(Head { node: node.to_owned(), store: self.store, what, response }),
        }
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn ask(
        &self,
        node: &str,
        what: &'static str,
        method: Method,
        target: &str,
        form: Option<String>,
    ) -> Result<Answer, Error> {
        let limit = self.timeouts.request;
        let head = self.begin(node, what, method, target, form, Duration::ZERO).await?;
        head.finish(limit).await?.ok_or_else(|| Error::Timeout { node: node.to_owned(), what, limit })
    }

    fn meaning(&self, node: &str, error: &hyper_util::client::legacy::Error) -> Error {
        let why = chain(error);
        let why = why.trim_start_matches("client error (Connect): ");
        let why = why.trim_start_matches("client error (SendRequest): ").to_owned();
        let node = node.to_owned();
        if error.is_connect() {
            return Error::Unreachable { node, why };
        }
        let signs = ["invalid HTTP", "parsed", "parse error"];
        if signs.iter().any(|sign| why.contains(sign)) {
            return Error::Garbage { node, store: self.store, why };
        }
        Error::Failed { node, why }
    }
}

impl Head {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        number(self.response.headers(), name)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Waits for the rest; `None` if it does not come within `limit`.
    pub(crate) async fn finish(self, limit: Duration) -> Result<Option<Answer>, Error> {
        let status = self.status();
        let (head, body) = self.response.into_parts();
        let Ok(body) = tokio::time::timeout(limit, Limited::new(body, LARGEST_ANSWER).collect()).await else {
            return Ok(None);
        };
        let body = body.map_err(|error| Error::Failed {
            node: self.node.clone(),
            why: format!("the answer to {} broke off: {}", self.what, chain(error.as_ref())),
        })?;
        let answer = Answer { status, headers: head.headers, body: body.to_bytes() };
        match status {
            // etcd v2 says with 401 that a user may not; consul says so with 403.
            401 | 403 => Err(Error::Refused { node: self.node, why: answer.text() }),
            500.. => {
                Err(Error::Failed { node: self.node, why: format!("status {status}: {}", answer.text()) })
            }
            300..=399 => Err(Error::Garbage {
                node: self.node,
                store: self.store,
                why: format!("status {status}, a redirection"),
            }),
            _ => Ok(Some(answer)),
        }
    }
}

impl Answer {
    /// A header that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        number(&self.headers, name)
    }

    /// The beginning of the body, for messages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().chars().take(200).collect()
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn header(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| Error::Option {
        option: "--username, --password, --auth-token",
        why: "it has a character that HTTP cannot carry".to_owned(),
    })
}

/// `text` with all but unreserved characters escaped, slashes too unless they are `kept`.
pub(crate) fn escape(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_goes_into_a_url_as_it_is() {
        assert_eq!(escape("/a b/ä?\n", "/"), "/a%20b/%C3%A4%3F%0A");
        assert_eq!(escape("a/b&c=~", ""), "a%2Fb%26c%3D~");
    }
}

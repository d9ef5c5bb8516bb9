//! What is answered, and what is refused: read-only, for names that are this host's, with nothing in the browser that
//! did not come from here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Extension, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::exposition::Scrape;
use super::lookout::{Lookout, PATIENCE, Sight};
use super::observation::Observe;
use super::page::{self, events::Live};
use super::server::Connection;
use super::traffic::Traffic;
use super::{Compat, exposition, health};

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Sent with every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// What the handlers share.
pub(crate) struct App<O> {
    lookout: Lookout<O>,
    traffic: Arc<Traffic>,
    compat: Option<Compat>,
    /// This host's name.
    host: String,
    live: Live,
}

impl<O: Observe> App<O> {
    pub(crate) fn new(observer: Arc<O>, compat: Option<Compat>) -> App<O> {
        let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        App {
            lookout: Lookout::new(observer, PATIENCE),
            traffic: Arc::default(),
            compat,
            host,
            live: Live::new(),
        }
    }

    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    pub(super) async fn look(&self) -> Result<Arc<Sight>, String> {
        self.lookout.look().await
    }
}

/// All that there is.
pub(crate) fn router<O: Observe>(app: Arc<App<O>>) -> Router {
    Router::new()
        .route("/", get(index::<O>))
        .route("/page.css", get(|| async { typed(CSS, page::CSS) }))
        .route("/page.js", get(|| async { typed(SCRIPT, page::SCRIPT) }))
        .route("/events", get(subscribe::<O>))
        .route("/metrics", get(metrics::<O>))
        .route("/healthz", get(healthz::<O>))
        .route("/readyz", get(readyz::<O>))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is /, /metrics, /healthz and /readyz\n") })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::<O>))
        .with_state(app)
}

/// Refuses what is not for us, and dresses every answer.
async fn guard<O: Observe>(State(app): State<Arc<App<O>>>, request: Request, next: Next) -> Response {
    let mut response = match objection(&app.host, &request) {
        Some((status, why)) => (status, format!("{why}\n")).into_response(),
        None => next.run(request).await,
    };
    app.traffic.answered(response.status().as_u16());
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What is wrong with a request.
fn objection(own: &str, request: &Request) -> Option<(StatusCode, &'static str)> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered"));
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING) || !request.body().is_end_stream() {
        return Some((StatusCode::PAYLOAD_TOO_LARGE, "a request has no body"));
    }
    if request.uri().authority().is_some() {
        return Some((StatusCode::BAD_REQUEST, "this is no proxy"));
    }
    let Some(name) = host(request.headers()) else {
        return Some((StatusCode::BAD_REQUEST, "a request has one Host, with a name or an address"));
    };
    // A page of somebody else's whose name suddenly stands for 127.0.0.1 must not read ours. Other addresses are open
    // to everybody who reaches them, and who scrapes them knows this host by many names.
    let local = request.extensions().get::<Connection>().is_none_or(|it| it.local.ip().is_loopback());
    if local && !is_ours(name, own) {
        return Some((StatusCode::FORBIDDEN, "ask by address, as localhost, or by this host's name"));
    }
    None
}

/// The name or address that the request is for, without its port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return None };
    let host = host.to_str().ok()?;
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(name, port)| (name, port.strip_prefix(':')))?,
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let port_is_fine = port.is_none_or(|port| port.parse::<u16>().is_ok());
    (!name.is_empty() && name.len() <= 253 && name.chars().all(fine) && port_is_fine).then_some(name)
}

/// Whether a name stands for this host, `own`, and can stand for no other.
fn is_ours(name: &str, own: &str) -> bool {
    // Without a dot it is a name of this network's, which no stranger can register.
    let short = own.split('.').next().unwrap_or_default();
    let known = ["localhost", own, short];
    name.parse::<IpAddr>().is_ok()
        || known.iter().any(|known| !known.is_empty() && name.eq_ignore_ascii_case(known))
}

fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

async fn index<O: Observe>(State(app): State<Arc<App<O>>>) -> Response {
    match app.look().await {
        Ok(sight) => {
            let page = sight.page.get_or_init(|| Bytes::from(page::page(&sight.observation)));
            typed(HTML, page.clone())
        }
        Err(why) => unavailable(&why),
    }
}

async fn metrics<O: Observe>(State(app): State<Arc<App<O>>>) -> Response {
    match app.look().await {
        Ok(sight) => {
            let text = sight.metrics.get_or_init(|| {
                Bytes::from(exposition::text(Scrape {
                    observation: Arc::clone(&sight.observation),
                    traffic: Arc::clone(&app.traffic),
                    subscribers: app.live.subscribers(),
                    compat: app.compat,
                }))
            });
            typed(exposition::CONTENT_TYPE, text.clone())
        }
        Err(why) => unavailable(&why),
    }
}

async fn healthz<O: Observe>(State(app): State<Arc<App<O>>>) -> Response {
    match app.look().await {
        Ok(_) => typed(TEXT, "ok\n"),
        Err(why) => unavailable(&why),
    }
}

async fn readyz<O: Observe>(State(app): State<Arc<App<O>>>) -> Response {
    match app.look().await {
        Ok(sight) => match health::unready(&sight.observation).as_slice() {
            [] => typed(TEXT, "ready\n"),
            reasons => unavailable(&reasons.join("\n")),
        },
        Err(why) => unavailable(&why),
    }
}

async fn subscribe<O: Observe>(
    State(app): State<Arc<App<O>>>,
    connection: Option<Extension<Connection>>,
) -> Response {
    match app.live.subscribe() {
        Some(events) => {
            if let Some(Extension(connection)) = connection {
                connection.streams.store(true, Ordering::Relaxed);
            }
            events.into_response()
        }
        None => unavailable("too many pages are open; load this one again from time to time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(host: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_bytes(host.as_bytes()).expect("a value"));
        super::host(&headers).map(str::to_owned)
    }

    #[test]
    fn hosts_are_names_and_addresses_with_ports() {
        for (text, expected) in [
            ("127.0.0.1:9650", Some("127.0.0.1")),
            ("[::1]:9650", Some("::1")),
            ("[::1]", Some("::1")),
            ("n1.example.com", Some("n1.example.com")),
            ("", None),
            (":80", None),
            ("a:b", None),
            ("a:70000", None),
            ("[::1", None),
            ("a b", None),
            ("a/b", None),
            ("<script>", None),
            ("evil@127.0.0.1", None),
        ] {
            assert_eq!(named(text).as_deref(), expected, "{text}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, HeaderValue::from_static("a"));
        twice.append(header::HOST, HeaderValue::from_static("a"));
        assert_eq!(host(&twice), None);
        assert_eq!(host(&HeaderMap::new()), None);
    }

    #[test]
    fn a_name_that_somebody_else_may_own_is_not_ours() {
        for name in ["127.0.0.1", "10.0.0.1", "::1", "localhost", "LOCALHOST", "n1", "n1.example.com"] {
            assert!(is_ours(name, "n1.example.com"), "{name}");
        }
        assert!(is_ours("N1", "n1") && is_ours("n1", "N1"));
        for name in ["evil.com", "n1.evil.com", "localhost.evil.com", "n2", "127.0.0.1.evil.com", ""] {
            assert!(!is_ours(name, "n1.example.com"), "{name}");
            assert!(!is_ours(name, ""), "{name}");
        }
    }
}

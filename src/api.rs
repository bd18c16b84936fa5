//! The HTTP API: `/v1` for clients, and beside it what operators ask for, and
//! the console for people.
//!
//! It writes uploads and reads records. The work itself is a worker's, in this
//! process or any other.

mod auth;
mod console;
mod credentials;
mod entities;
mod events;
mod feed;
mod health;
mod lists;
mod metrics;
mod openapi;
mod page;
mod parts;
mod plan;
mod problem;
mod request;
mod sources;
mod stats;
mod syncs;
mod uploads;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Router, ServiceExt, body::Body};
use modelferry_providers::net::AddressGuard;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tower::util::ServiceExt as _;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use self::auth::Revoked;
use self::events::Lookouts;
use self::feed::Feed;
use self::metrics::Meters;
use self::problem::Problem;
use crate::error::{Code, Error};
use crate::import::Ferry;
use crate::parts::Signer;
use crate::storage::Door;
use crate::telemetry;

/// A request's body at most; the largest that is meant is a few kilobytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// What is read of a body all the same: a client that is cut off while it
/// sends sees no answer, and does not learn why.
const READ_LIMIT: usize = 8 * BODY_LIMIT;
/// A body that is read before anything else; the usual ones are shorter.
const SMALL_BODY: usize = 64 * 1024;
/// How long requests may go on once the server was asked to end.
const GRACE: Duration = Duration::from_secs(20);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the API needs to answer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which addresses a URL may name.
    pub guard: AddressGuard,
    /// Where clients reach this server, when not where they say.
    pub public_url: Option<String>,
    /// Uploads that one owner may have in the queue.
    pub max_queued: u32,
    /// Who takes the parts of files that clients bring.
    pub part_door: Door,
    /// How long a URL for such a part works.
    pub part_urls: Duration,
    /// Ends what goes on for ever, such as event streams.
    pub closing: CancellationToken,
}

/// The API over one set of parts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ferry: Ferry,
    settings: Settings,
    feed: Arc<Feed>,
    part_signer: OnceCell<Signer>,
    meters: Meters,
    lookouts: Arc<Lookouts>,
    revoked: Revoked,
}

impl Api {
    /// An API that answers from these parts.
    pub fn new(ferry: Ferry, settings: Settings) -> Self {
        Self(Arc::new(Shared {
            ferry,
            settings,
            feed: Arc::default(),
            part_signer: OnceCell::new(),
            meters: Meters::new(),
            lookouts: Arc::default(),
            revoked: Revoked::default(),
        }))
    }

    fn ferry(&self) -> &Ferry {
        &self.0.ferry
    }

    fn revoked(&self) -> &Revoked {
        &self.0.revoked
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn lookouts(&self) -> &Arc<Lookouts> {
        &self.0.lookouts
    }

    fn meters(&self) -> &Meters {
        &self.0.meters
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.0.feed
    }

    /// Every route.
    pub fn router(self) -> Router {
        let v1 = Router::new()
            .route("/uploads", post(uploads::create).get(uploads::list))
            .route("/uploads/{id}", get(uploads::retrieve))
            .route("/uploads/{id}/action", post(uploads::action))
            .route("/uploads/{id}/artifacts", get(uploads::artifacts))
            .route("/uploads/{id}/events", get(events::stream))
            .route("/syncs", post(syncs::create).get(syncs::list))
            .route(
                "/syncs/{id}",
                get(syncs::retrieve)
                    .patch(syncs::update)
                    .delete(syncs::remove),
            )
            .route("/syncs/{id}/run", post(syncs::run))
            .route("/syncs/{id}/runs", get(syncs::runs))
            .route(
                "/parts/{upload}/{number}",
                put(parts::put).options(parts::preflight),
            )
            .route("/events", get(feed::stream))
            .route("/sources", get(sources::one).post(sources::many))
            .route("/stats", get(stats::stats))
            .route("/models", get(lists::models))
            .route("/assets", get(lists::assets))
            .route("/credentials", get(credentials::list))
            .route(
                "/credentials/{name}",
                put(credentials::put).delete(credentials::remove),
            )
            .route("/webhooks/secret", get(webhooks::secret))
            .route("/webhooks/secret/rotate", post(webhooks::rotate))
            .route("/webhooks/deliveries", get(webhooks::deliveries))
            .route("/webhooks/deliveries/{id}/retry", post(webhooks::retry))
            .route("/models/{id}", get(entities::model))
            .route("/models/{id}/files/{*path}", get(entities::model_file))
            .route("/assets/{id}", get(entities::asset))
            .route("/assets/{id}/files/{*path}", get(entities::asset_file));
        let rest = Router::new()
            .nest("/v1", v1)
            .route("/", get(console::page))
            .route("/console/{version}/{name}", get(console::file))
            .route("/openapi.json", get(openapi::document))
            .route("/docs", get(openapi::page));
        self.completed(rest)
    }

    /// The routes of a process that works and answers no client.
    fn operators_router(self) -> Router {
        self.completed(Router::new())
    }

    /// What every process answers, and how it answers all else.
    fn completed(self, routes: Router<Self>) -> Router {
        routes
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics::answer))
            .fallback(nothing_here)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(READ_LIMIT))
            .layer(middleware::from_fn(read_small_body))
            .layer(middleware::from_fn_with_state(self.clone(), name_request))
            .with_state(self)
    }

    /// Answers requests until `closing`, and lets those under way end.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> Result<(), Error> {
        let closing = self.settings().closing.clone();
        answer(listener, self.router(), closing).await
    }

    /// Answers operators alone, until `closing`: `/healthz`, `/readyz` and `/metrics`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve_operators(self, listener: TcpListener) -> Result<(), Error> {
        let closing = self.settings().closing.clone();
        answer(listener, self.operators_router(), closing).await
    }
}

async fn answer(
    listener: TcpListener,
    router: Router,
    closing: CancellationToken,
) -> Result<(), Error> {
    let stopping = closing.clone();
    // A router that is served itself is built anew for each connection, of which there may be thousands.
    let router = router.with_state::<()>(());
    let service = tower::service_fn(move |request: Request<Body>| router.clone().oneshot(request));
    let serving = axum::serve(listener, service.into_make_service())
        .with_graceful_shutdown(async move { stopping.cancelled().await })
        .into_future();
    let too_long = async {
        closing.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| Error::internal("answering requests", error)),
        () = too_long => Ok(()),
    }
}

/// Opens the address to listen on.
///
/// # Errors
/// [`Code::InvalidRequest`] when it is taken, or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(
            Code::InvalidRequest,
            format!("can't listen on {address}: {error}"),
        )
        .hint("choose another address with --listen")
    })
}

async fn nothing_here() -> Problem {
    let error = Error::new(Code::NotFound, "there is nothing at this path");
    Problem::from(error.hint("GET /openapi.json lists every path"))
}

async fn wrong_method() -> Problem {
    let error = Error::new(Code::InvalidRequest, "this path does not know this method");
    Problem::with_status(
        405,
        error.hint("GET /openapi.json lists every path and its methods"),
    )
}

/// A refusal that comes before the body was read ends the connection, and a
/// client that asks again on it at that moment finds it closed.
async fn read_small_body(request: Request<Body>, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if !length.is_some_and(|length: usize| (1..=SMALL_BODY).contains(&length)) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    match axum::body::to_bytes(body, SMALL_BODY).await {
        Ok(bytes) => next.run(Request::from_parts(head, bytes.into())).await,
        Err(_) => Problem::bad("the request's body broke off", "send it again").into_response(),
    }
}

/// Every answer and every log line of a request carries its id.
async fn name_request(State(api): State<Api>, request: Request<Body>, next: Next) -> Response {
    let metered = api.meters().begin(&request);
    let given = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let id = match given.filter(|id| is_plain(id)) {
        Some(id) => id.to_owned(),
        None => format!("req_{}", Uuid::now_v7().simple()),
    };
    // At this level it is on each line, whatever the filter lets through.
    let span = tracing::error_span!(
        "request", id = %id, method = %request.method(), path = request.uri().path(),
        otel.kind = "server", otel.name = metered.name(), http.route = metered.route(), http.response.status_code = Empty,
    );
    telemetry::join(&span, trace_of(request.headers()));
    let mut response = async {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        tracing::Span::current().record("http.response.status_code", status);
        tracing::debug!(status, "answered");
        response
    }
    .instrument(span)
    .await
    .into_response();
    metered.end(response.status());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The trace that a request is part of (W3C Trace Context).
fn trace_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(telemetry::TRACEPARENT)?.to_str().ok()
}

/// Ids from outside go into logs.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

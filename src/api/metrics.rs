//! `/metrics`, in the text format of Prometheus.
//!
//! What is counted in the records is the same from every process; what is
//! measured is this process's own. No label holds anything that a request
//! brought: methods, routes, statuses, providers and codes are words of ours.

mod standing;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::{self, encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::Api;
use super::problem::Problem;
use crate::error::Error;
use crate::records::{Queue, Records};

const PREFIX: &str = "modelferry";
/// Upper ends of the buckets of request times, in seconds.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// How old a look at the queue may be: it reads every job.
const QUEUE_AGE: Duration = Duration::from_secs(5);

/// What this process measures of itself.
#[derive(Debug)]
pub(super) struct Meters {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    in_flight: Gauge,
    streams: Gauge,
    queue: Mutex<Option<(Instant, Queue)>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

impl Meters {
    pub fn new() -> Self {
        let mut meters = Self {
            registry: Registry::with_prefix(PREFIX),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
            queue: Mutex::default(),
        };
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let registry = &mut meters.registry;
        registry.register("build", "The program", version);
        let help = "Requests that were answered";
        registry.register("http_requests", help, meters.requests.clone());
        let help = "Seconds from a request to the head of its answer";
        registry.register(
            "http_request_duration_seconds",
            help,
            meters.durations.clone(),
        );
        let help = "Requests whose answer has not begun";
        registry.register("http_requests_in_flight", help, meters.in_flight.clone());
        let help = "Event streams that are open";
        registry.register("event_streams", help, meters.streams.clone());
        meters
    }

    /// Begins to time a request.
    pub fn begin<B>(&self, request: &Request<B>) -> Metered {
        let route = request.extensions().get::<MatchedPath>();
        self.in_flight.inc();
        Metered {
            requests: self.requests.clone(),
            durations: self.durations.clone(),
            _in_flight: Held(self.in_flight.clone()),
            began: Instant::now(),
            method: word_for(request.method()),
            route: route.map_or("none", MatchedPath::as_str).to_owned(),
        }
    }

    /// Counts a stream for as long as the answer lives.
    pub fn open_stream(&self) -> OpenStream {
        self.streams.inc();
        OpenStream {
            _held: Held(self.streams.clone()),
        }
    }

    /// The queue as it was a short while ago at most.
    async fn queue(&self, records: &Records) -> Result<Queue, Error> {
        let last = *self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, queue)) = last
            && at.elapsed() < QUEUE_AGE
        {
            return Ok(queue);
        }
        let queue = records.queue().await?;
        let mut last = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), queue));
        Ok(queue)
    }
}

/// A request on its way.
pub(super) struct Metered {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    _in_flight: Held,
    began: Instant,
    method: &'static str,
    route: String,
}

impl Metered {
    pub fn route(&self) -> &str {
        &self.route
    }

    /// What a trace calls it.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.route)
    }

    pub fn end(self, status: StatusCode) {
        let (method, route) = (self.method, self.route);
        let labels = RequestLabels {
            method,
            route: route.clone(),
            status: status.as_u16().into(),
        };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route };
        let seconds = self.began.elapsed().as_secs_f64();
        self.durations.get_or_create(&labels).observe(seconds);
    }
}

/// An event stream that is open.
#[derive(Debug)]
pub(super) struct OpenStream {
    _held: Held,
}

/// One of a gauge, until it is dropped.
#[derive(Debug)]
struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Anybody may send a method of their own.
const fn word_for(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

pub(super) async fn answer(State(api): State<Api>) -> Result<Response, Problem> {
    let records = &api.ferry().records;
    let tallies = records.tallies().await?;
    let queue = api.meters().queue(records).await?;
    let standing = standing::registry(&tallies, &queue, records.connections());
    let text = text(&[&api.meters().registry, &standing])
        .map_err(|error| Error::internal("writing metrics", error))?;
    Ok(([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response())
}

fn text(registries: &[&Registry]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for registry in registries {
        encode(&mut text, registry)?;
    }
    Ok(text)
}

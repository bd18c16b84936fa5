//! Traces for OpenTelemetry, where a collector is named. Without one there is
//! no layer, and a span costs what it costs a log.
//!
//! A trace goes through the records: the request that asked for an upload
//! leaves its `traceparent` (W3C Trace Context) with the job, and the worker's
//! spans join it, in whichever process and however much later.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use modelferry_providers::http::{HttpSettings, Request as Outgoing};
use modelferry_providers::{Http, SafeUrl};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::error::Error;

/// The header, and its name in a carrier.
pub const TRACEPARENT: &str = "traceparent";
/// Below the endpoint, as the OTLP specification has it.
const TRACES: &str = "v1/traces";
/// How long a collector may take to answer, at the end as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends spans to a collector, beside the work and in batches.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends to this OTLP endpoint, over HTTP. Must be called within the runtime.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`](crate::error::Code::InvalidRequest) when the
    /// endpoint is none.
    pub fn to(endpoint: &SafeUrl, service: &str) -> Result<Self, Error> {
        let broken = |error| Error::internal("setting up traces", error);
        let mut url = endpoint.as_url().clone();
        let path = format!("{}/{TRACES}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let courier = Courier {
            http: Http::new(HttpSettings {
                endpoints: vec![endpoint.clone()],
                header_timeout: PATIENCE,
                ..HttpSettings::default()
            })?,
            runtime: Handle::current(),
            is_away: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(courier)
            .with_endpoint(url.as_str())
            .with_timeout(PATIENCE)
            .build()
            .map_err(broken)?;
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What turns our spans, and none of libraries, into those of the trace.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("modelferry"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(Targets::new().with_target("modelferry", LevelFilter::INFO))
    }

    /// Sends what is left, as far as the collector takes it in time.
    pub async fn end(self) {
        // The exporter's own thread is waited for.
        let ended =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(PATIENCE));
        if let Ok(Err(error)) = ended.await {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

/// Makes a span part of the trace that this `traceparent` names, if any. To be
/// called before the span is entered.
pub fn join(span: &Span, traceparent: Option<&str>) {
    if let Some(context) = traceparent.and_then(context_of) {
        // Without a collector there is nothing to join.
        let _ = span.set_parent(context);
    }
}

/// The `traceparent` of the span that we are in; without a collector the one
/// that was given, if it is one.
pub fn current(given: Option<&str>) -> Option<String> {
    let mut context = Span::current().context();
    if !context.span().span_context().is_valid() {
        context = context_of(given?)?;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

fn context_of(traceparent: &str) -> Option<Context> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context.span().span_context().is_valid().then_some(context)
}

/// Carries spans over our own HTTP: the exporter waits on a thread that knows
/// nothing of the runtime.
#[derive(Debug)]
struct Courier {
    http: Http,
    runtime: Handle,
    is_away: AtomicBool,
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let url = SafeUrl::parse(&parts.uri.to_string())?;
        let mut outgoing = Outgoing::post(url, "application/x-protobuf", body).best_effort();
        // Those of OTEL_EXPORTER_OTLP_HEADERS; the others are set with the body.
        let own = parts
            .headers
            .iter()
            .filter(|(name, _)| !name.as_str().starts_with("content-"));
        for (name, value) in own {
            outgoing = outgoing.header(name.as_str().to_owned(), value.to_str()?);
        }
        let http = self.http.clone();
        let answer = self
            .runtime
            .spawn(async move { http.send(&outgoing).await })
            .await?;
        self.say(
            answer
                .as_ref()
                .map_err(|error| error.message.as_str())
                .map(|answer| answer.status),
        );
        Ok(Response::builder()
            .status(answer?.status)
            .body(Bytes::new())?)
    }
}

impl Courier {
    /// Says once that the collector is away, and once that it is back.
    fn say(&self, answer: Result<u16, &str>) {
        let is_away = !matches!(answer, Ok(200..300));
        if is_away == self.is_away.swap(is_away, Ordering::Relaxed) {
            return;
        }
        match answer {
            Ok(200..300) => tracing::info!("traces are taken again"),
            Ok(status) => tracing::warn!(status, "traces are not taken; the work goes on without"),
            Err(error) => tracing::warn!(%error, "traces are not taken; the work goes on without"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_that_is_one_is_handed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let cases = [
            (good, Some(good)),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                None,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                None,
            ),
            ("a token", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(current(Some(given)).as_deref(), expected, "{given}");
        }
        assert_eq!(current(None), None);
    }
}

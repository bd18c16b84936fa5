//! What operators and their machines ask.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;
use crate::records::Counts;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The process can do its work: its database answers.
pub(super) async fn ready(State(api): State<Api>) -> Result<&'static str, Problem> {
    api.ferry().records.ping().await?;
    Ok("ready\n")
}

/// The records counted, in the text format of Prometheus.
pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let counts = api.ferry().records.counts().await?;
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, exposed(&counts)).into_response())
}

fn exposed(counts: &Counts) -> String {
    let mut text = String::new();
    head(&mut text, "uploads", "Uploads by status and provider.");
    for (status, provider, count) in &counts.uploads {
        let provider = if provider.is_empty() {
            "unknown"
        } else {
            provider
        };
        line(
            &mut text,
            &format!("uploads{{status=\"{status}\",provider=\"{provider}\"}}"),
            *count,
        );
    }
    head(&mut text, "upload_errors", "Failed uploads by code.");
    for (code, count) in &counts.errors {
        line(
            &mut text,
            &format!("upload_errors{{code=\"{code}\"}}"),
            *count,
        );
    }
    let gauges = [
        (
            "jobs_waiting",
            "Jobs that wait for a worker or for their time.",
            counts.waiting,
        ),
        ("jobs_running", "Jobs that a worker has.", counts.running),
        (
            "job_retries",
            "Tries beyond the first of the jobs there are.",
            counts.retries,
        ),
        (
            "queue_age_milliseconds",
            "How long the oldest job waits that could be begun.",
            counts.oldest_wait,
        ),
    ];
    for (name, help, value) in gauges {
        head(&mut text, name, help);
        line(&mut text, name, value);
    }
    text
}

// Writing to a String can't fail.
fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(
        text,
        "# HELP modelferry_{name} {help}\n# TYPE modelferry_{name} gauge"
    );
}

fn line(text: &mut String, series: &str, value: i64) {
    let _ = writeln!(text, "modelferry_{series} {value}");
}

//! What operators and their machines ask.

use axum::extract::State;

use super::Api;
use super::problem::Problem;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The process can do its work: its database answers.
pub(super) async fn ready(State(api): State<Api>) -> Result<&'static str, Problem> {
    api.ferry().records.ping().await?;
    Ok("ready\n")
}

//! Errors as `application/problem+json` (RFC 9457), with our code and hint.

use std::time::Duration;

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Code, Error};

/// How long a client is asked to wait where nobody said otherwise.
const USUAL_WAIT: Duration = Duration::from_secs(5);

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: Error,
}

/// A problem on the wire.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// Names the sort of problem.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What happened.
    detail: String,
    /// One of the documented codes.
    code: &'static str,
    /// What to do next.
    hint: Option<String>,
}

impl Problem {
    /// A problem whose status says more than its code does.
    pub fn with_status(status: u16, error: Error) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error,
        }
    }

    /// A problem of the far side of an import, such as a hub's "not found":
    /// this server's path was found, and this server's credentials were good.
    pub fn of_source(error: Error) -> Self {
        match status_of(error.code) {
            status @ (400 | 413 | 429 | 500..) => Self::with_status(status, error),
            _ => Self::with_status(422, error),
        }
    }

    /// A body that no request needs.
    pub fn too_large() -> Self {
        let error = Error::new(Code::TooLarge, "the request's body is over 1 MiB");
        error
            .hint("a request names its source; it does not carry the file")
            .into()
    }

    /// A malformed request.
    pub fn bad(message: impl Into<String>, hint: &str) -> Self {
        Error::new(Code::InvalidRequest, message).hint(hint).into()
    }
}

const fn status_of(code: Code) -> u16 {
    match code {
        Code::InvalidSource
        | Code::InvalidRequest
        | Code::UnsupportedSource
        | Code::BlockedAddress => 400,
        Code::AuthRequired => 401,
        Code::AccessDenied => 403,
        Code::NotFound => 404,
        Code::TooLarge => 413,
        Code::RateLimited => 429,
        Code::Internal => 500,
        Code::UpstreamError | Code::Stalled | Code::Truncated => 502,
        Code::StorageError => 503,
        Code::StorageFull => 507,
        _ => 422,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::with_status(status_of(error.code), error)
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad(
            rejection.body_text(),
            "GET /openapi.json lists the parameters",
        )
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad(rejection.body_text(), "GET /openapi.json lists every path")
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::too_large();
        }
        Self::bad(rejection.body_text(), "send the body again")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        if status.is_server_error() {
            tracing::error!(%error, code = %error.code, "a request failed");
        }
        let wait = error.retry_after.unwrap_or(USUAL_WAIT).as_secs().max(1);
        let body = ProblemBody {
            kind: format!("urn:modelferry:error:{}", error.code),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: error.message,
            code: error.code.as_str(),
            hint: error.hint,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response =
            (status, [(CONTENT_TYPE, "application/problem+json")], text).into_response();
        let headers = response.headers_mut();
        match status.as_u16() {
            401 => {
                let value = "Basic realm=\"modelferry\", Bearer realm=\"modelferry\"";
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(value));
            }
            429 | 503 => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait));
            }
            _ => {}
        }
        response
    }
}

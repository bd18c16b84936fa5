//! What can go wrong between us and a hub, in terms a caller can act on.

use std::fmt;
use std::time::Duration;

/// What sort of failure it is. Each is one public error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The selection or reference can't mean anything at this hub.
    InvalidSource,
    /// Understood, but of a sort that is not imported.
    UnsupportedSource,
    /// No such repository, revision, model, version or file.
    NotFound,
    /// A token is needed, or the one given was rejected.
    AuthRequired,
    /// The token is good but not for this.
    AccessDenied,
    /// Terms must be accepted on a page first.
    Gated,
    /// Sold before it becomes free.
    EarlyAccess,
    /// Still listed, no longer handed out.
    Archived,
    /// The hub serves nobody in this region.
    RegionBlocked,
    /// Asked too often.
    RateLimited,
    /// An address, port or scheme that may not be reached.
    BlockedAddress,
    /// A web page came where a file was meant.
    HtmlInsteadOfFile,
    /// No bytes, or too few, for too long.
    Stalled,
    /// Not the content that the first request saw.
    SourceChanged,
    /// Fewer bytes than promised.
    Truncated,
    /// Another length than promised.
    SizeMismatch,
    /// More than a bound allows.
    TooLarge,
    /// Anything else that the far side did wrong.
    Upstream,
}

/// A failure, with what the server said of it.
#[derive(Debug, Clone)]
pub struct ProviderError {
    /// What sort of failure.
    pub kind: ErrorKind,
    /// What happened, to what, at which host, in plain words.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// The HTTP status, when an answer came.
    pub status: Option<u16>,
    /// The hub's own error code, such as `GatedRepo`.
    pub hub_code: Option<String>,
    /// The hub's request id, for its support.
    pub request_id: Option<String>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
    cure: Cure,
}

/// What asking again may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cure {
    /// Nothing.
    None,
    /// A try or two settle it.
    Brief,
    /// It may pass with time.
    Time,
}

/// What a question that may stay open was answered: no answer is no yes. Only
/// who was told to wait must not go on by another way.
///
/// # Errors
/// [`ErrorKind::RateLimited`].
pub(crate) fn yes_or_open(answer: Result<bool, ProviderError>) -> Result<bool, ProviderError> {
    match answer {
        Err(error) if error.kind != ErrorKind::RateLimited => {
            tracing::debug!(%error, "whether a plan is current stays open");
            Ok(false)
        }
        answer => answer,
    }
}

impl ProviderError {
    /// A failure that asking again would not cure.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            status: None,
            hub_code: None,
            request_id: None,
            retry_after: None,
            cure: Cure::None,
        }
    }

    /// A failure that asking again may cure.
    pub fn transient(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            cure: Cure::Time,
            ..Self::new(kind, message)
        }
    }

    /// A failure that seldom passes, and is worth no long wait.
    pub(crate) fn briefly(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            cure: Cure::Brief,
            ..Self::new(kind, message)
        }
    }

    /// Adds what a person can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the HTTP status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds the wait that the server asked for.
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Whether asking again may cure it.
    pub fn is_transient(&self) -> bool {
        self.cure != Cure::None
    }

    pub(crate) fn cure(&self) -> Cure {
        self.cure
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request id {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ProviderError {}

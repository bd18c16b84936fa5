//! One error for everything a person or a program gets to see.

use std::fmt;
use std::time::Duration;

use modelferry_providers::path::PathError;
use modelferry_providers::{ErrorKind, ProviderError, SourceError};
use serde::{Deserialize, Serialize};

use crate::storage::StorageError;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The public error codes. Scripts and clients match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as programs see it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The source text is malformed or claimed by nobody.
    InvalidSource = "invalid_source",
    /// The request contradicts itself or a bound.
    InvalidRequest = "invalid_request",
    /// A sort of source or storage that is not handled.
    UnsupportedSource = "unsupported_source",
    /// Nothing is there.
    NotFound = "not_found",
    /// A token is needed, or the one given was rejected.
    AuthRequired = "auth_required",
    /// The token is good but not for this.
    AccessDenied = "access_denied",
    /// Terms must be accepted first.
    Gated = "gated",
    /// Sold before it becomes free.
    EarlyAccess = "early_access",
    /// Listed but no longer handed out.
    Archived = "archived",
    /// Not served in this region.
    RegionBlocked = "region_blocked",
    /// Asked too often.
    RateLimited = "rate_limited",
    /// An address that may not be reached.
    BlockedAddress = "blocked_address",
    /// Other bytes than the hash says.
    HashMismatch = "hash_mismatch",
    /// Another length than stated.
    SizeMismatch = "size_mismatch",
    /// Fewer bytes than promised.
    Truncated = "truncated",
    /// A web page came instead.
    HtmlInsteadOfFile = "html_instead_of_file",
    /// No bytes for too long.
    Stalled = "stalled",
    /// The content changed on the way.
    SourceChanged = "source_changed",
    /// Another kind of file than asked for.
    KindMismatch = "kind_mismatch",
    /// A pickle that could run code.
    UnsafePickle = "unsafe_pickle",
    /// Not the format it claims.
    MalformedFile = "malformed_file",
    /// A rule of whoever runs this refuses it.
    NotAllowed = "not_allowed",
    /// Over a bound.
    TooLarge = "too_large",
    /// No room left.
    StorageFull = "storage_full",
    /// The storage failed.
    StorageError = "storage_error",
    /// Stopped on request.
    Cancelled = "cancelled",
    /// The far side did something wrong.
    UpstreamError = "upstream_error",
    /// A fault of ours.
    Internal = "internal",
}

impl Code {
    /// Whether what was transferred is kept for the next try: the failure
    /// says nothing against the bytes. On a full disk half a file is given up,
    /// so that there is room to record the failure and for the next import.
    pub const fn keeps_staged(self) -> bool {
        matches!(
            self,
            Self::StorageFull
                | Self::StorageError
                | Self::Stalled
                | Self::RateLimited
                | Self::Truncated
                | Self::UpstreamError
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, in plain words, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// For programs.
    pub code: Code,
    /// For people: what happened, to what, where.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
    /// How long whoever said no asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// Adds the next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A fault of ours, with what was being done.
    pub fn internal(doing: &str, cause: impl fmt::Display) -> Self {
        Self::new(Code::Internal, format!("{doing}: {cause}"))
            .hint("this is a fault in modelferry; run again with -v and report what it prints")
    }

    /// As it stands on a record: plain words, then the code in brackets.
    pub fn record_message(&self) -> String {
        format!("{} [{}]", self.message, self.code)
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        let code = if error.unsupported {
            Code::UnsupportedSource
        } else {
            Code::InvalidSource
        };
        Self::new(code, error.message).hint(format!("write it like {}", error.example))
    }
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        let code = match error.kind {
            ErrorKind::InvalidSource => Code::InvalidSource,
            ErrorKind::UnsupportedSource => Code::UnsupportedSource,
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::AuthRequired => Code::AuthRequired,
            ErrorKind::AccessDenied => Code::AccessDenied,
            ErrorKind::Gated => Code::Gated,
            ErrorKind::EarlyAccess => Code::EarlyAccess,
            ErrorKind::Archived => Code::Archived,
            ErrorKind::RegionBlocked => Code::RegionBlocked,
            ErrorKind::RateLimited => Code::RateLimited,
            ErrorKind::BlockedAddress => Code::BlockedAddress,
            ErrorKind::HtmlInsteadOfFile => Code::HtmlInsteadOfFile,
            ErrorKind::Stalled => Code::Stalled,
            ErrorKind::SourceChanged => Code::SourceChanged,
            ErrorKind::Truncated => Code::Truncated,
            ErrorKind::SizeMismatch => Code::SizeMismatch,
            ErrorKind::TooLarge => Code::TooLarge,
            ErrorKind::Upstream => Code::UpstreamError,
        };
        let message = error.to_string();
        Self {
            code,
            message,
            hint: error.hint,
            retry_after: error.retry_after,
        }
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Self::new(Code::InvalidSource, error.to_string())
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let message = error.to_string();
        match error {
            StorageError::Full(_) => Self::new(Code::StorageFull, message).hint(
                "free some space, then run the same command again: files that arrived whole are kept, and much of a large one",
            ),
            StorageError::Refused { hint, .. } => Self::new(Code::StorageError, message).hint(hint),
            StorageError::Missing(_) | StorageError::Failed(_) => {
                Self::new(Code::StorageError, message)
            }
        }
    }
}

/// Why work on an upload ended early.
#[derive(Debug, Clone)]
pub enum Stop {
    /// The process was asked to end. Everything is kept.
    Interrupted,
    /// Another worker has the upload now, or will have it: it was put back
    /// for later, or cancelled. Nothing more may be written.
    LeaseLost,
    /// It can't be done.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_spelled_one_way_everywhere() {
        for code in Code::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
        }
    }

    #[test]
    fn a_record_message_ends_with_its_code() {
        let error = Error::new(Code::Gated, "acme/tiny is gated");
        assert_eq!(error.record_message(), "acme/tiny is gated [gated]");
    }
}

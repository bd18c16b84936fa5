//! What a store refused, in plain words, and what to do about it.

use std::error::Error as _;

use super::super::StorageError;
use super::super::place::{Bucket, CloudKind};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The store's own code, such as `NoSuchBucket`.
    pub code: Option<String>,
    /// What the store said, or the transport.
    pub says: String,
    /// The HTTP status, where it is told.
    pub status: Option<u16>,
}

/// The codes that say an unfinished upload, or a part of it, is no longer there.
const GONE: [&str; 4] = [
    "NoSuchUpload",
    "InvalidPart",
    "InvalidBlockList",
    "InvalidBlobOrBlock",
];

impl Failure {
    /// Reads the library's error. Its own words show URLs, so only the store's are used.
    pub(super) fn of(error: &object_store::Error) -> Self {
        let text = chain(error);
        let code = between(&text, "<Code>", "</Code>");
        let says = between(&text, "<Message>", "</Message>");
        let status = match error {
            object_store::Error::NotFound { .. } => Some(404),
            object_store::Error::PermissionDenied { .. } => Some(403),
            object_store::Error::Unauthenticated { .. } => Some(401),
            object_store::Error::Precondition { .. } => Some(412),
            object_store::Error::AlreadyExists { .. } => Some(409),
            _ => between(&text, "status code: ", " ").and_then(|status| status.parse().ok()),
        };
        let bare = "Received redirect without LOCATION";
        Self {
            code: code.or_else(|| text.contains(bare).then(|| "PermanentRedirect".to_owned())),
            says: says.unwrap_or_else(|| innermost(error)),
            status,
        }
    }

    /// Of an answer to a request of our own.
    pub(super) fn of_answer(status: u16, body: &str) -> Self {
        Self {
            code: between(body, "<Code>", "</Code>"),
            says: between(body, "<Message>", "</Message>")
                .unwrap_or_else(|| format!("it answered {status}")),
            status: Some(status),
        }
    }

    /// Whether an unfinished upload is no longer there.
    pub(super) fn is_gone(&self) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| GONE.contains(&code))
            || (self.code.is_none() && self.status == Some(404))
    }

    /// Whether the store says that this is not allowed.
    pub(super) fn is_refusal(&self) -> bool {
        self.code.as_deref() == Some("AccessDenied") || self.status == Some(403)
    }

    /// As an error: what could not be done, where, why, and the next step.
    pub(super) fn explain(&self, bucket: &Bucket, doing: &str) -> StorageError {
        let code = self.code.as_deref().unwrap_or_default();
        let message = format!("can't {doing} in {bucket}: {}", self.reason());
        if matches!(
            code,
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage"
        ) || self.status == Some(507)
        {
            return StorageError::Full(message);
        }
        match self.hint(bucket) {
            Some(hint) => StorageError::Refused { message, hint },
            None => StorageError::Failed(message),
        }
    }

    fn reason(&self) -> String {
        match (&self.code, self.status) {
            (Some(code), _) if !self.says.is_empty() => format!("{} ({code})", self.says),
            (Some(code), _) => code.clone(),
            (None, Some(403)) => "access is denied".to_owned(),
            (None, Some(401)) => "the credentials were not accepted".to_owned(),
            (None, _) => self.says.clone(),
        }
    }

    fn hint(&self, bucket: &Bucket) -> Option<String> {
        let keys = credentials(bucket.cloud);
        Some(match (self.code.as_deref().unwrap_or_default(), self.status) {
            ("InvalidAccessKeyId" | "NotSignedUp", _) => format!("the store does not know this key; check {keys}"),
            ("SignatureDoesNotMatch" | "AuthenticationFailed", _) => {
                format!("the secret does not belong to the key; check {keys}")
            }
            ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired", _) => {
                "the session token has expired; get new credentials and run the same command again"
                    .to_owned()
            }
            ("RequestTimeTooSkewed" | "RequestExpired", _) => {
                "this machine's clock is wrong by more than the store allows; set it, for example with `timedatectl set-ntp true`".to_owned()
            }
            ("NoSuchBucket" | "ContainerNotFound", _) => format!(
                "make the bucket `{}` first, or correct MODELFERRY_STORAGE",
                bucket.name
            ),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) => {
                "the bucket is in another region; set AWS_REGION to it".to_owned()
            }
            ("SlowDown" | "ServerBusy" | "TooManyRequests", _) | (_, Some(429)) => {
                "the store asks for fewer requests; run the same command again later".to_owned()
            }
            ("AccessDenied" | "AllAccessDisabled" | "AuthorizationPermissionMismatch" | "AuthorizationFailure", _)
            | ("", Some(401 | 403)) => format!(
                "the credentials ({keys}) need the right to list, read, write and delete in `{}`",
                bucket.name
            ),
            _ if self.says.contains("169.254.169.254") || self.says.contains("metadata") => {
                format!("no credentials were found; set {keys}")
            }
            ("", None) => format!(
                "check that the store can be reached{}; what was transferred is kept, and the same command goes on",
                endpoint(bucket.cloud)
            ),
            _ => return None,
        })
    }
}

/// Settings that no client can be made from.
pub(super) fn unusable(bucket: &Bucket, error: &object_store::Error) -> StorageError {
    let keys = credentials(bucket.cloud);
    StorageError::Refused {
        message: format!("{bucket} can't be used: {}", innermost(error)),
        hint: format!("check {keys}{}", endpoint(bucket.cloud)),
    }
}

fn credentials(cloud: CloudKind) -> &'static str {
    match cloud {
        CloudKind::S3 => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        CloudKind::Gcs => "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT_KEY",
        CloudKind::Azure => {
            "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_CONNECTION_STRING)"
        }
    }
}

fn endpoint(cloud: CloudKind) -> &'static str {
    match cloud {
        CloudKind::S3 => " (AWS_ENDPOINT_URL, AWS_REGION)",
        CloudKind::Gcs => " (GOOGLE_BASE_URL)",
        CloudKind::Azure => " (AZURE_STORAGE_ENDPOINT)",
    }
}

/// Every cause's words, outermost first.
fn chain(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The first cause, which names no URL.
fn innermost(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut names_metadata = text.contains("169.254.");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        names_metadata |= text.contains("169.254.");
        cause = inner.source();
    }
    if names_metadata {
        return format!("the machine's metadata service gave no credentials: {text}");
    }
    match text.split_once("://") {
        Some(_) => "the request failed".to_owned(),
        None => text,
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    let (found, _) = rest.split_once(end)?;
    Some(
        found
            .chars()
            .take(300)
            .collect::<String>()
            .trim()
            .trim_end_matches('.')
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        Bucket {
            cloud: CloudKind::S3,
            name: "models".to_owned(),
            prefix: "p".to_owned(),
        }
    }

    fn answer(status: u16, code: &str) -> StorageError {
        let body = format!("<Error><Code>{code}</Code><Message>No.</Message></Error>");
        Failure::of_answer(status, &body).explain(&bucket(), "list what is staged")
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let cases = [
            (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
            (403, "SignatureDoesNotMatch", "secret"),
            (403, "RequestTimeTooSkewed", "clock"),
            (404, "NoSuchBucket", "make the bucket `models`"),
            (301, "PermanentRedirect", "AWS_REGION"),
            (400, "ExpiredToken", "expired"),
            (403, "AccessDenied", "list, read, write and delete"),
            (503, "SlowDown", "fewer requests"),
        ];
        for (status, code, expected) in cases {
            let StorageError::Refused { message, hint } = answer(status, code) else {
                panic!("{code} has no hint");
            };
            assert_eq!(
                message,
                format!("can't list what is staged in s3://models/p: No ({code})")
            );
            assert!(hint.contains(expected), "{code}: {hint}");
        }
    }

    #[test]
    fn a_full_store_is_full() {
        assert!(matches!(
            answer(507, "XMinioStorageFull"),
            StorageError::Full(_)
        ));
    }

    #[test]
    fn an_upload_that_is_gone_is_told_from_one_that_failed() {
        let gone = |status, body| Failure::of_answer(status, body).is_gone();
        assert!(gone(404, "<Code>NoSuchUpload</Code>"));
        assert!(gone(400, "<Code>InvalidPart</Code>"));
        assert!(!gone(404, "<Code>NoSuchBucket</Code>"));
        assert!(!gone(503, "<Code>SlowDown</Code>"));
    }

    #[test]
    fn no_url_reaches_a_message() {
        let error = object_store::Error::Generic {
            store: "S3",
            source: "error sending request for url (http://host/b?X-Amz-Signature=s)".into(),
        };
        let shown = Failure::of(&error).explain(&bucket(), "look").to_string();
        assert!(!shown.contains("Signature"), "{shown}");
    }
}

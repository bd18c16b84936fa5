//! The Upload record: its fields, its statuses and the moves between them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub use crate::inspect::Kind;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize, ::utoipa::ToSchema,
        )]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it stands on records.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::upload::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::upload::UnknownWord> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::upload::UnknownWord {
                        text: text.chars().take(40).flat_map(char::escape_debug).collect(),
                        known: concat!($($text, " "),*).trim_end(),
                    }),
                }
            }
        }
    };
}

/// A word that is none of those a field can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is none of: {known}")]
pub struct UnknownWord {
    pub(crate) text: String,
    pub(crate) known: &'static str,
}

pub(crate) use words;

words!(
    /// Where an upload stands.
    UploadStatus {
        /// Waiting, resolving or transferring.
        Pending = "pending",
        /// Every byte is here and verified; being looked into.
        Validating = "validating",
        /// Found to be what it should be.
        Validated = "validated",
        /// Registered as an entity.
        Imported = "imported",
        /// Stored without an entity, as asked.
        Complete = "complete",
        /// Stopped by an error or on request.
        Failed = "failed",
    }
);

words!(
    /// How an upload was asked for.
    UploadSource {
        /// By `civitaiModelUrl`.
        Civitai = "civitai",
        /// By `huggingFaceModelName`.
        HuggingFace = "huggingface",
        /// By parts.
        Multipart = "multipart",
        /// In another way.
        Other = "other",
        /// By `url`.
        Url = "url",
    }
);

words!(
    /// What a file's content was held against before it was published.
    Verification {
        /// SHA-256 from the hub or the user.
        Sha256 = "sha256",
        /// A git blob id from the hub.
        GitSha1 = "git-sha1",
        /// A digest header of the server.
        DigestHeader = "digest-header",
        /// The exact length alone.
        Length = "length",
    }
);

words!(
    /// Where one file of an upload stands.
    ArtifactStatus {
        /// Not begun, or begun and to be gone on with.
        Pending = "pending",
        /// Its blob is published.
        Stored = "stored",
        /// The gate refuses it, and the rest goes on without it.
        Refused = "refused",
        /// Gave the upload its error.
        Failed = "failed",
    }
);

impl UploadStatus {
    /// Whether a record may move from here to there. The eight allowed moves
    /// are the whole machine.
    pub const fn may_become(self, to: Self) -> bool {
        use UploadStatus::{Complete, Failed, Imported, Pending, Validated, Validating};
        matches!(
            (self, to),
            (Pending, Validating)
                | (Validating, Validated)
                | (Validated, Imported | Complete)
                | (Pending | Validating | Validated, Failed)
                | (Failed, Pending)
        )
    }

    /// Whether nothing more happens by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Imported | Self::Complete | Self::Failed)
    }
}

/// The public record. Exactly the documented fields, and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// Who asked.
    pub author_id: String,
    /// Whose it is.
    pub owner_id: String,
    /// When it was asked for.
    #[serde(serialize_with = "as_rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: DateTime<Utc>,
    /// When it last moved.
    #[serde(serialize_with = "as_rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: DateTime<Utc>,
    /// What is imported, as a name.
    pub file_name: String,
    /// The kind asked for, then the kind found.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// How it was asked for.
    pub source: UploadSource,
    /// Where it stands.
    pub status: UploadStatus,
    /// Options of an asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_options: Option<serde_json::Value>,
    /// The request's own `config`, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// Media type of a one-file upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The model or asset that came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<String>,
    /// Why it failed, ending with the code in brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Bytes of all artifacts together, once resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<i64>,
    /// The job that works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The name a client gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_file_name: Option<String>,
    /// Where a client puts the parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<serde_json::Value>,
    /// How many parts there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts_count: Option<i64>,
    /// Who resolved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub provider: Option<modelferry_providers::ProviderKind>,
    /// The source as asked for, without any query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A time as every answer writes it.
pub fn rfc3339(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn as_rfc3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(time))
}

#[cfg(test)]
mod tests {
    use super::UploadStatus::{self, Complete, Failed, Imported, Pending, Validated, Validating};

    #[test]
    fn of_all_36_moves_exactly_eight_are_allowed() {
        let allowed = [
            (Pending, Validating),
            (Validating, Validated),
            (Validated, Imported),
            (Validated, Complete),
            (Pending, Failed),
            (Validating, Failed),
            (Validated, Failed),
            (Failed, Pending),
        ];
        let mut seen = 0;
        for &from in UploadStatus::ALL {
            for &to in UploadStatus::ALL {
                assert_eq!(
                    from.may_become(to),
                    allowed.contains(&(from, to)),
                    "{from} to {to}"
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 36);
    }

    #[test]
    fn only_failed_leads_out_of_a_terminal_status() {
        for &from in UploadStatus::ALL
            .iter()
            .filter(|status| status.is_terminal())
        {
            let leaves = UploadStatus::ALL.iter().any(|&to| from.may_become(to));
            assert_eq!(leaves, from == Failed, "{from}");
        }
    }

    #[test]
    fn an_unknown_word_is_shown_beside_the_known_ones() {
        let error = "done".parse::<UploadStatus>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`done` is none of: pending validating validated imported complete failed"
        );
    }
}

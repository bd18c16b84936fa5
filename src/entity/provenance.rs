//! Where a file came from, and who vouches for its bytes.

use chrono::{DateTime, SecondsFormat, Utc};
use modelferry_providers::{
    Artifact, CivitaiOrigin, HfOrigin, HfRef, Origin, Plan, ProviderKind, Revision,
};
use serde::{Deserialize, Serialize};

use crate::records::ArtifactRow;
use crate::request::ImportRequest;

/// Where one file of an entity came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Who resolved it.
    pub provider: ProviderKind,
    /// This very file at its pinned revision, as a source that can be imported
    /// again. A URL is without its query.
    pub source: String,
    /// The pinned revision.
    pub revision: String,
    /// The hashes that somebody else states of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stated: Vec<StatedHash>,
    /// When its content was stored and verified here, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<String>,
    /// Whether the storage had it already, and it was not fetched for this entity.
    #[serde(default)]
    pub reused: bool,
}

/// A hash that somebody states of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedHash {
    /// `sha256`, `git-sha1`, or as RFC 9530 names it.
    pub algorithm: String,
    /// In hexadecimal.
    pub value: String,
    /// Who states it.
    pub by: StatedBy,
}

/// Who states a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatedBy {
    /// The hub, beside the file's name.
    Hub,
    /// The server that sends the file, in a header.
    Server,
    /// Who asked for the import.
    User,
}

impl StatedBy {
    /// The word in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Server => "server",
            Self::User => "user",
        }
    }
}

impl Provenance {
    /// Of a recorded file of this plan; `None` for one that is not in it.
    /// `stored_at` is when its content came.
    pub fn of(
        request: &ImportRequest,
        plan: &Plan,
        row: &ArtifactRow,
        stored_at: Option<DateTime<Utc>>,
    ) -> Option<Self> {
        let artifact = plan.artifacts.get(row.position as usize)?;
        Some(Self {
            provider: artifact.origin.provider(),
            source: pinned_source(plan, artifact),
            revision: plan.revision.clone(),
            stated: stated(request, artifact),
            stored_at: stored_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            reused: row.reused,
        })
    }
}

fn stated(request: &ImportRequest, artifact: &Artifact) -> Vec<StatedHash> {
    let digests = &artifact.digests;
    let mut stated = Vec::new();
    let mut add = |algorithm: &str, value: String, by| {
        stated.push(StatedHash {
            algorithm: algorithm.to_owned(),
            value,
            by,
        });
    };
    if let Some(sha256) = digests.sha256 {
        let is_users = request.reference.selection.sha256 == Some(sha256);
        let by = if is_users {
            StatedBy::User
        } else {
            StatedBy::Hub
        };
        add("sha256", sha256.to_string(), by);
    }
    if let Some(git_sha1) = digests.git_sha1 {
        add("git-sha1", git_sha1.to_string(), StatedBy::Hub);
    }
    if let Some(header) = &digests.header {
        let value = hex::encode(&header.value);
        add(&header.algorithm.to_string(), value, StatedBy::Server);
    }
    stated
}

fn pinned_source(plan: &Plan, artifact: &Artifact) -> String {
    match &artifact.origin {
        Origin::HuggingFace(origin) => in_repo(origin),
        Origin::Civitai(origin) => in_version(plan, origin),
        Origin::Other(_) | Origin::Multipart { .. } => plan.reference.clone(),
    }
}

fn in_repo(origin: &HfOrigin) -> String {
    let file = HfRef {
        repo_type: origin.repo_type,
        repo: origin.repo.clone(),
        revision: Revision::parse(&origin.commit.to_string()).ok(),
        path: Some(origin.path.clone()),
    };
    file.to_string()
}

/// `civitai:4384@128713+93208`, where the plan names the model.
fn in_version(plan: &Plan, origin: &CivitaiOrigin) -> String {
    let version = plan.reference.split(['+', '?']).next().unwrap_or_default();
    match origin.file {
        Some(file) if version.starts_with("civitai:") => format!("{version}+{file}"),
        _ => plan.reference.clone(),
    }
}

#[cfg(test)]
mod tests {
    use modelferry_providers::{Http, Providers, Settings};
    use serde_json::json;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn plan(reference: &str, origin: serde_json::Value) -> Plan {
        let file = json!({ "path": "a b#.bin", "size": { "is": "unknown" }, "origin": origin });
        let place = json!({ "owner": "a", "name": "b", "revision": "c" });
        serde_json::from_value(json!({
            "provider": origin["provider"], "reference": reference, "revision": "r", "name": "n",
            "page": "https://h/", "place": place, "is_asset": false, "artifacts": [file], "warnings": [],
        }))
        .unwrap()
    }

    /// What is written down as a file's source leads to that file again.
    #[test]
    fn a_files_source_is_its_own_pinned_one() {
        let http = Http::new(modelferry_providers::http::HttpSettings::default()).unwrap();
        let url = |text| modelferry_providers::SafeUrl::parse(text).unwrap();
        let providers = Providers::new(
            &Settings {
                huggingface_endpoint: url("https://huggingface.co"),
                civitai_endpoint: url("https://civitai.com"),
            },
            &http,
        );
        let in_repo = json!({ "provider": "huggingface", "repo_type": "model", "repo": "acme/tiny", "commit": COMMIT, "path": "a b#.bin" });
        let in_version = json!({ "provider": "civitai", "version": 128_713, "file": 93_208 });
        let at_url = json!({ "provider": "other", "url": "https://example.com/m.bin?sig=1", "validator": null });
        for (reference, origin, source) in [
            (
                "acme/tiny",
                in_repo,
                format!("hf://acme/tiny@{COMMIT}/a b#.bin"),
            ),
            (
                "civitai:4384@128713",
                in_version.clone(),
                "civitai:4384@128713+93208".to_owned(),
            ),
            (
                "civitai:4384@128713+1",
                in_version,
                "civitai:4384@128713+93208".to_owned(),
            ),
            (
                "https://example.com/m.bin",
                at_url,
                "https://example.com/m.bin".to_owned(),
            ),
        ] {
            let plan = plan(reference, origin);
            let found = pinned_source(&plan, &plan.artifacts[0]);
            assert_eq!(found, source);
            let parsed = providers.parse(&found).unwrap();
            assert_eq!(parsed.provider(), plan.provider);
        }
    }
}

//! The hub's JSON, as far as it is read. Keys that hubs and mirrors leave out
//! or set to null are optional; what is read is checked where it is used.

use serde::Deserialize;
use serde_json::Value;

/// `GET /api/{type}/{id}/revision/{rev}`.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    /// The repository's id today, which differs from the one asked after a rename.
    pub id: Option<String>,
    /// The commit that the revision is at.
    pub sha: Option<String>,
    /// Hidden from all but the granted.
    pub private: Option<bool>,
    /// `false`, `"auto"` or `"manual"`.
    pub gated: Option<Value>,
    /// Taken down by the hub.
    pub disabled: Option<bool>,
    /// The metadata at the head of its README.
    #[serde(rename = "cardData")]
    pub card_data: Option<Value>,
    /// What the hub made of that metadata.
    pub tags: Option<Value>,
    /// What it is used for.
    pub pipeline_tag: Option<Value>,
    /// What it is used with.
    pub library_name: Option<Value>,
}

impl Info {
    /// Whether some who can list the files may not read them. So it is taken to
    /// be where a mirror does not say.
    pub(super) fn is_guarded(&self) -> bool {
        self.gated != Some(Value::Bool(false)) || self.private != Some(false)
    }
}

/// One entry of a tree page or a paths-info answer.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    /// `file` or `directory`.
    #[serde(rename = "type")]
    pub kind: String,
    /// From the repository's root.
    pub path: String,
    /// The git object id: of the pointer for LFS files.
    pub oid: Option<String>,
    /// The content's length, also for LFS files.
    pub size: Option<u64>,
    /// Set for files kept in LFS or Xet.
    pub lfs: Option<Lfs>,
    /// Set for files kept in Xet. No hash that we could check.
    #[serde(rename = "xetHash")]
    pub xet_hash: Option<String>,
    /// The scanners' words, where they were asked for.
    #[serde(rename = "securityFileStatus")]
    pub security: Option<Value>,
}

/// The LFS part of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Lfs {
    /// The content's SHA-256, as the tree spells it.
    pub oid: Option<String>,
    /// The same, as some other answers spell it.
    pub sha256: Option<String>,
    /// The content's length.
    pub size: Option<u64>,
}

/// `GET /api/{type}/{id}/refs`.
#[derive(Debug, Deserialize)]
pub(super) struct Refs {
    branches: Option<Vec<Ref>>,
    tags: Option<Vec<Ref>>,
    converts: Option<Vec<Ref>>,
}

#[derive(Debug, Deserialize)]
struct Ref {
    name: String,
    #[serde(rename = "ref")]
    full: Option<String>,
}

impl Refs {
    /// Every name that a revision may be called by, short and full.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        [&self.branches, &self.tags, &self.converts]
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|one| [Some(one.name.as_str()), one.full.as_deref()])
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn keys(value: &Value) -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    /// The value with some of its keys removed and others set to null, all
    /// but the `needed`.
    fn thinned(mut value: Value, needed: &[&str], dice: &[u8]) -> Value {
        for (key, die) in keys(&value).into_iter().zip(dice) {
            let keyed = value.as_object_mut().unwrap();
            match die % 3 {
                _ if needed.contains(&key.as_str()) => {}
                0 => drop(keyed.remove(&key)),
                1 => drop(keyed.insert(key, Value::Null)),
                _ => {}
            }
        }
        value
    }

    proptest! {
        #[test]
        fn what_hubs_leave_out_or_set_to_null_is_no_error(dice in prop::collection::vec(any::<u8>(), 12)) {
            let info = json!({"id": "a/b", "sha": "0", "private": false, "gated": "auto", "disabled": false, "siblings": [{"rfilename": "x"}], "tags": []});
            serde_json::from_value::<Info>(thinned(info, &[], &dice)).unwrap();
            let lfs = thinned(json!({"oid": "0", "sha256": "0", "size": 1, "pointerSize": 9}), &[], &dice[4..]);
            let entry = json!({"type": "file", "path": "a", "oid": "0", "size": 1, "lfs": lfs, "xetHash": "0", "lastCommit": {}, "securityFileStatus": {"status": "safe"}});
            serde_json::from_value::<Entry>(thinned(entry, &["type", "path"], &dice)).unwrap();
            let refs = json!({"branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": "0"}], "tags": [], "converts": [], "pullRequests": []});
            serde_json::from_value::<Refs>(thinned(refs, &[], &dice)).unwrap();
        }
    }

    #[test]
    fn deep_and_foreign_json_is_an_error_and_no_crash() {
        let deep = format!(r#"{{"gated":{}"#, "[".repeat(100_000));
        for text in [deep.as_str(), "[]", r#"{"sha":7}"#, r#"{"private":"no"}"#] {
            assert!(serde_json::from_str::<Info>(text).is_err());
        }
        for size in ["-1", "1.5", "18446744073709551616", "\"9\""] {
            let entry = format!(r#"{{"type":"file","path":"a","size":{size}}}"#);
            assert!(serde_json::from_str::<Entry>(&entry).is_err(), "{size}");
        }
    }

    #[test]
    fn a_repository_is_open_only_where_the_hub_says_so() {
        for (info, guarded) in [
            (json!({"gated": false, "private": false}), false),
            (json!({"gated": "auto", "private": false}), true),
            (json!({"gated": "manual", "private": false}), true),
            (json!({"gated": false, "private": true}), true),
            (json!({"gated": null, "private": false}), true),
            (json!({}), true),
        ] {
            let read: Info = serde_json::from_value(info.clone()).unwrap();
            assert_eq!(read.is_guarded(), guarded, "{info}");
        }
    }
}

//! What the hub's own scanners say of files. They label, they don't block, and
//! lag an upload: a bad word is worth passing on, a good one proves nothing.

use std::collections::HashMap;

use serde_json::Value;

use super::errors::{Asked, shown};
use super::hub::Hub;
use super::select::Names;
use super::wire::Entry;
use crate::ProviderKind;
use crate::artifact::{Artifact, HubScan, Origin, ScanVerdict, Warning};

/// Most files asked about, all in one request.
const MOST: usize = 500;
/// Most characters of what the scanners say.
const MAX_DETAIL: usize = 300;
/// Endings of files that may run code when they are loaded. Of all others the
/// answer is not worth the hub's trouble of looking it up.
const MAY_RUN: &[&str] = &[
    "bin",
    "ckpt",
    "dill",
    "h5",
    "hdf5",
    "joblib",
    "keras",
    "llamafile",
    "mar",
    "nemo",
    "npy",
    "npz",
    "pb",
    "pickle",
    "pkl",
    "pt",
    "pth",
    "ptl",
    "sav",
    "t7",
];

/// The scanners' word on an entry, where it carries one.
pub(super) fn of(entry: &Entry) -> Option<HubScan> {
    let said = entry.security.as_ref()?;
    let status = said.get("status")?.as_str()?;
    Some(HubScan {
        verdict: verdict(status),
        detail: detail(status, said),
        source: ProviderKind::HuggingFace.as_str().to_owned(),
    })
}

fn verdict(status: &str) -> ScanVerdict {
    match status {
        "safe" | "innocuous" => ScanVerdict::Safe,
        "suspicious" | "caution" => ScanVerdict::Suspicious,
        "unsafe" | "infected" | "malicious" | "dangerous" => ScanVerdict::Danger,
        "queued" | "pending" | "scanning" | "unscanned" => ScanVerdict::Pending,
        _ => ScanVerdict::Unknown,
    }
}

fn is_bad(verdict: ScanVerdict) -> bool {
    matches!(verdict, ScanVerdict::Suspicious | ScanVerdict::Danger)
}

/// The status, and which scanner found what.
fn detail(status: &str, said: &Value) -> String {
    let scanners = said.as_object().into_iter().flatten();
    let findings = scanners.filter_map(|(name, scan)| {
        let status = scan.get("status")?.as_str()?;
        is_bad(verdict(status)).then(|| format!("{name}: {status}{}", what(scan)))
    });
    let words: Vec<String> = [status.to_owned()].into_iter().chain(findings).collect();
    let line = words.join("; ");
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_DETAIL)
        .collect()
}

fn what(scan: &Value) -> String {
    let list = |key: &str| {
        scan.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let viruses = list("virusNames").filter_map(|name| name.as_str().map(ToOwned::to_owned));
    let imports = list("pickleImports").filter_map(|import| {
        let is_bad = is_bad(verdict(import.get("safety")?.as_str()?));
        let (module, name) = (
            import.get("module")?.as_str()?,
            import.get("name")?.as_str()?,
        );
        is_bad.then(|| format!("{module}.{name}"))
    });
    let message = scan.get("message").and_then(Value::as_str);
    let words: Vec<String> = message
        .map(ToOwned::to_owned)
        .into_iter()
        .chain(viruses)
        .chain(imports)
        .collect();
    match words.is_empty() {
        true => String::new(),
        false => format!(" ({})", words.join(", ")),
    }
}

/// Asks for the scanners' word on the files that may run code. Best effort: a
/// mirror that knows nothing of it is no error.
pub(super) async fn ask(hub: &Hub<'_>, asked: Asked<'_>, artifacts: &mut [Artifact]) {
    let mut files: Vec<&mut Artifact> = artifacts
        .iter_mut()
        .filter(|file| file.scan.is_none() && may_run(file.path.name()))
        .take(MOST)
        .collect();
    if files.is_empty() {
        return;
    }
    let paths: Vec<&str> = files.iter().map(|file| repo_path(file)).collect();
    let entries = match hub.scans(asked, &paths).await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::debug!(%error, "no word of the scanners");
            return;
        }
    };
    let mut said: HashMap<String, HubScan> = entries
        .into_iter()
        .filter_map(|entry| Some((of(&entry)?, entry.path)))
        .map(|(scan, path)| (path, scan))
        .collect();
    for file in &mut files {
        file.scan = said.remove(repo_path(file));
    }
}

fn may_run(name: &str) -> bool {
    let extension = name
        .rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase());
    extension.is_some_and(|end| MAY_RUN.contains(&end.as_str()))
}

/// The path as the hub spells it.
fn repo_path(file: &Artifact) -> &str {
    match &file.origin {
        Origin::HuggingFace(origin) => origin.path.as_str(),
        _ => file.path.as_str(),
    }
}

/// What a person should know of the files that the scanners warn of.
pub(super) fn warning(artifacts: &[Artifact]) -> Option<Warning> {
    let mut flagged = Names::default();
    for file in artifacts {
        if let Some(scan) = file.scan.as_ref().filter(|scan| is_bad(scan.verdict)) {
            flagged.add(format!("{} ({})", shown(file.path.as_str()), scan.detail));
        }
    }
    (flagged.count > 0).then(|| {
        Warning::new(
            "hub_flagged_unsafe",
            format!(
                "the hub's scanners warn of these files: {}",
                flagged.listed()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(security: Value) -> Option<HubScan> {
        let entry =
            serde_json::json!({"type": "file", "path": "a", "securityFileStatus": security});
        of(&serde_json::from_value(entry).unwrap())
    }

    #[test]
    fn each_word_of_the_scanners_has_its_verdict() {
        use ScanVerdict::{Danger, Pending, Safe, Suspicious, Unknown};
        for (status, expected) in [
            ("safe", Safe),
            ("suspicious", Suspicious),
            ("unsafe", Danger),
            ("infected", Danger),
            ("queued", Pending),
            ("unscanned", Pending),
            ("error", Unknown),
            ("a word of tomorrow", Unknown),
        ] {
            let scan = said(serde_json::json!({ "status": status })).unwrap();
            assert_eq!((scan.verdict, scan.detail.as_str()), (expected, status));
        }
        for nothing in [
            Value::Null,
            serde_json::json!({}),
            serde_json::json!({"status": 3}),
        ] {
            assert_eq!(said(nothing), None);
        }
    }

    #[test]
    fn what_was_found_is_told_on_one_line() {
        let scan = said(serde_json::json!({
            "status": "unsafe",
            "avScan": {"status": "infected", "virusNames": ["Win.X\u{1b}[31m"]},
            "pickleImportScan": {"status": "unsafe", "pickleImports": [
                {"module": "torch", "name": "FloatStorage", "safety": "innocuous"},
                {"module": "os", "name": "system", "safety": "dangerous"},
            ]},
            "otherScan": {"status": "safe"},
        }));
        assert_eq!(
            scan.unwrap().detail,
            "unsafe; avScan: infected (Win.X [31m); pickleImportScan: unsafe (os.system)"
        );
    }
}

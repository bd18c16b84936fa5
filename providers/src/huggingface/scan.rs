//! What the hub's scanners said of files.
//!
//! The listing gives their words only page by page of 50, with the last commit
//! of every file, which is slow; so they are asked for by path, and only for
//! files that a scanner has something to say about.

use serde_json::Value;

use super::errors::{Asked, shown};
use super::hub::Hub;
use super::repo::Commit;
use super::select::Names;
use crate::ProviderKind;
use crate::artifact::{Artifact, HubScan, Origin, ScanVerdict, Warning};

/// Paths in one question. The hub makes pages of 50 where it looks up as much.
const PATHS: usize = 50;
/// The most questions for one plan.
const QUESTIONS: usize = 4;
/// The longest message of a scanner kept, in characters.
const MOST_SAID: usize = 300;
/// What `torch.load`, `pickle.load` and their like open: asked for before the rest.
const PICKLED: [&str; 9] = [
    "bin", "ckpt", "joblib", "npy", "npz", "pickle", "pkl", "pt", "pth",
];
/// Other files that hold a model, or may hide a program.
const OTHERS: [&str; 14] = [
    "7z",
    "dat",
    "exe",
    "gguf",
    "h5",
    "keras",
    "model",
    "msgpack",
    "nemo",
    "onnx",
    "ot",
    "rar",
    "safetensors",
    "zip",
];

/// Adds the scanners' words to the files they matter for.
///
/// They are advice: a hub that does not answer makes no import fail, but is warned of.
pub(super) async fn ask(
    hub: &Hub<'_>,
    asked: Asked<'_>,
    commit: Commit,
    artifacts: &mut [Artifact],
) -> Option<Warning> {
    let mut unknown: Vec<&mut Artifact> = artifacts
        .iter_mut()
        .filter(|artifact| artifact.scan.is_none() && rank(artifact).is_some())
        .collect();
    unknown.sort_by_key(|artifact| rank(artifact));
    for page in unknown.chunks_mut(PATHS).take(QUESTIONS) {
        let paths: Vec<&str> = page.iter().map(|artifact| hub_path(artifact)).collect();
        let entries = match hub.paths_info(asked, commit, &paths, true).await {
            Ok(Some(entries)) => entries,
            // A mirror without this endpoint.
            Ok(None) => return None,
            Err(error) => {
                tracing::info!(%error, "the hub's scan results could not be had");
                let message =
                    "the hub did not say what its own scanners found; only our own checks count";
                return Some(Warning::new("no_hub_scan", message));
            }
        };
        for entry in entries {
            let found = page
                .iter_mut()
                .find(|artifact| hub_path(artifact) == entry.path);
            if let Some(artifact) = found {
                artifact.scan = entry.security.as_ref().and_then(of);
            }
        }
    }
    None
}

/// The path as the hub spells it.
fn hub_path(artifact: &Artifact) -> &str {
    match &artifact.origin {
        Origin::HuggingFace(origin) => origin.path.as_str(),
        _ => artifact.path.as_str(),
    }
}

/// Who comes first, of the files that scanners look into.
fn rank(artifact: &Artifact) -> Option<u8> {
    let (_, extension) = artifact.path.name().rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    if PICKLED.contains(&extension.as_str()) {
        Some(0)
    } else if OTHERS.contains(&extension.as_str()) {
        Some(1)
    } else {
        None
    }
}

/// What a person should know of the scanners' words.
pub(super) fn warnings(artifacts: &[Artifact]) -> impl Iterator<Item = Warning> {
    let cases = [
        (
            ScanVerdict::Danger,
            "hub_flagged_unsafe",
            "the hub's scanners call these files dangerous",
        ),
        (
            ScanVerdict::Suspicious,
            "hub_flagged_suspicious",
            "the hub's scanners call these files suspicious",
        ),
        (
            ScanVerdict::Pending,
            "hub_scan_pending",
            "the hub's scanners have not looked at these files yet",
        ),
    ];
    cases.into_iter().filter_map(move |(verdict, code, text)| {
        let mut names = Names::default();
        for artifact in artifacts {
            if artifact.scan.as_ref().map(|scan| scan.verdict) == Some(verdict) {
                names.add(shown(artifact.path.as_str()));
            }
        }
        (names.count > 0).then(|| Warning::new(code, format!("{text}: {}", names.listed())))
    })
}

/// A `securityFileStatus`. `None` when it says nothing.
pub(super) fn of(security: &Value) -> Option<HubScan> {
    let status = security.get("status")?.as_str()?;
    let scanners = [
        ("avScan", "virus scan"),
        ("pickleImportScan", "pickle scan"),
        ("protectAiScan", "Protect AI"),
        ("jFrogScan", "JFrog"),
        ("virusTotalScan", "VirusTotal"),
    ];
    let details: Vec<String> = scanners
        .into_iter()
        .filter_map(|(key, name)| Some(said(name, security.get(key)?)))
        .flatten()
        .collect();
    Some(HubScan {
        verdict: verdict(status),
        detail: if details.is_empty() {
            clipped(status, 40)
        } else {
            details.join("; ")
        },
        source: ProviderKind::HuggingFace.as_str().to_owned(),
    })
}

/// One scanner's word, where it is not a good one.
fn said(name: &str, scan: &Value) -> Option<String> {
    let status = scan.get("status")?.as_str()?;
    if matches!(status, "safe" | "unscanned") {
        return None;
    }
    let text = |key: &str| scan.get(key).and_then(Value::as_str).map(str::to_owned);
    let imports: Vec<String> = scan
        .get("pickleImports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|import| import.get("safety").and_then(Value::as_str) != Some("innocuous"))
        .filter_map(|import| {
            let part = |key: &str| import.get(key)?.as_str();
            Some(format!("{}.{}", part("module")?, part("name")?))
        })
        .take(8)
        .collect();
    let imports = (!imports.is_empty()).then(|| imports.join(", "));
    let more = [
        text("reportLabel"),
        text("message"),
        text("virusNames"),
        imports,
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    let status = clipped(status, 40);
    Some(if more.is_empty() {
        format!("{name}: {status}")
    } else {
        format!(
            "{name}: {status} ({})",
            clipped(&more.join("; "), MOST_SAID)
        )
    })
}

/// At most `most` characters, on one line.
fn clipped(text: &str, most: usize) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(most).map(line).collect()
}

/// The hub's words: `unscanned`, `safe`, `queued`, `error`, `caution`, `suspicious`, `unsafe`.
fn verdict(status: &str) -> ScanVerdict {
    match status {
        "safe" => ScanVerdict::Safe,
        "unsafe" | "infected" | "malicious" => ScanVerdict::Danger,
        "suspicious" | "caution" => ScanVerdict::Suspicious,
        "queued" | "unscanned" | "pending" => ScanVerdict::Pending,
        _ => ScanVerdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_word_of_the_hub_has_a_verdict() {
        use ScanVerdict::{Danger, Pending, Safe, Suspicious, Unknown};
        let cases = [
            ("safe", Safe),
            ("unsafe", Danger),
            ("suspicious", Suspicious),
            ("caution", Suspicious),
            ("queued", Pending),
            ("unscanned", Pending),
            ("error", Unknown),
            ("a new word", Unknown),
        ];
        for (word, expected) in cases {
            let scan = of(&json!({ "status": word })).unwrap();
            assert_eq!((scan.verdict, scan.detail.as_str()), (expected, word));
            assert_eq!(scan.source, "huggingface");
        }
    }

    #[test]
    fn the_scanners_that_object_are_quoted() {
        let scan = of(&json!({
            "status": "unsafe",
            "avScan": { "status": "safe", "virusFound": false, "virusNames": null },
            "pickleImportScan": { "status": "unsafe", "pickleImports": [
                { "module": "collections", "name": "OrderedDict", "safety": "innocuous" },
                { "module": "os", "name": "system", "safety": "dangerous" },
            ], "message": null },
            "jFrogScan": { "status": "unscanned", "message": "Not a machine-learning model" },
            "protectAiScan": { "status": "unsafe", "reportLabel": "PAIT-PKL-100" },
        }));
        let detail = "pickle scan: unsafe (os.system); Protect AI: unsafe (PAIT-PKL-100)";
        assert_eq!(scan.unwrap().detail, detail);
    }

    #[test]
    fn what_is_no_status_says_nothing() {
        for nothing in [json!(null), json!({}), json!({ "status": 3 }), json!([])] {
            assert_eq!(of(&nothing), None, "{nothing}");
        }
    }
}

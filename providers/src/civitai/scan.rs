//! What the hub's two scanners said of a file.

use super::errors::clipped;
use super::wire::File;
use crate::ProviderKind;
use crate::artifact::{HubScan, ScanVerdict};

/// The longest message of a scanner kept, in characters.
const MOST_SAID: usize = 300;

/// The scanners' words on a file; `None` when neither said anything.
pub(super) fn of(file: &File) -> Option<HubScan> {
    let scans = [
        (
            "pickle scan",
            &file.pickle_scan_result,
            &file.pickle_scan_message,
        ),
        (
            "virus scan",
            &file.virus_scan_result,
            &file.virus_scan_message,
        ),
    ];
    let said: Vec<(ScanVerdict, String)> = scans
        .into_iter()
        .filter_map(|(name, result, message)| {
            let result = result.as_deref()?;
            Some((verdict(result), detail(name, result, message.as_deref())))
        })
        .collect();
    let verdict = said
        .iter()
        .map(|(verdict, _)| *verdict)
        .max_by_key(|verdict| weight(*verdict))?;
    let details: Vec<String> = said.into_iter().map(|(_, detail)| detail).collect();
    Some(HubScan {
        verdict,
        detail: details.join("; "),
        source: ProviderKind::Civitai.as_str().to_owned(),
    })
}

/// The hub's words are `Pending`, `Success`, `Danger` and `Error`. The last
/// says that the scanner failed, as it does on files that are no pickles.
fn verdict(result: &str) -> ScanVerdict {
    let words = [
        ("Success", ScanVerdict::Safe),
        ("Danger", ScanVerdict::Danger),
        ("Pending", ScanVerdict::Pending),
    ];
    let known = words
        .into_iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(result));
    known.map_or(ScanVerdict::Unknown, |(_, verdict)| verdict)
}

/// One scan that found nothing does not make good what the other found, or did not look at yet.
const fn weight(verdict: ScanVerdict) -> u8 {
    match verdict {
        ScanVerdict::Safe => 0,
        ScanVerdict::Unknown => 1,
        ScanVerdict::Pending => 2,
        ScanVerdict::Suspicious => 3,
        ScanVerdict::Danger => 4,
    }
}

fn detail(name: &str, result: &str, message: Option<&str>) -> String {
    let result = clipped(result, 40);
    match message.map(|message| clipped(message, MOST_SAID)) {
        Some(message) if !message.is_empty() => format!("{name}: {result} ({message})"),
        _ => format!("{name}: {result}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scanned(file: Value) -> Option<HubScan> {
        of(&serde_json::from_value(file).unwrap())
    }

    #[test]
    fn the_worse_of_two_scans_decides() {
        use ScanVerdict::{Danger, Pending, Safe, Unknown};
        let cases = [
            ("Success", "Success", Safe),
            ("Danger", "Success", Danger),
            ("Success", "Danger", Danger),
            ("Danger", "Pending", Danger),
            ("Pending", "Success", Pending),
            ("Error", "Success", Unknown),
            ("Error", "Pending", Pending),
            ("Novel", "Success", Unknown),
            ("danger", "success", Danger),
        ];
        for (pickle, virus, expected) in cases {
            let file = json!({"pickleScanResult": pickle, "virusScanResult": virus});
            let scan = scanned(file).unwrap();
            assert_eq!(scan.verdict, expected, "{pickle} and {virus}");
            assert_eq!(scan.source, "civitai");
        }
    }

    #[test]
    fn a_file_nobody_speaks_of_has_no_scan_and_one_word_is_enough() {
        assert_eq!(scanned(json!({})), None);
        assert_eq!(scanned(json!({"pickleScanResult": null})), None);
        let scan = scanned(json!({"virusScanResult": "Success"})).unwrap();
        assert_eq!(
            (scan.verdict, scan.detail.as_str()),
            (ScanVerdict::Safe, "virus scan: Success")
        );
    }

    #[test]
    fn what_was_found_is_told_on_one_short_line() {
        let long = "x".repeat(5000);
        let scan = scanned(json!({
            "pickleScanResult": "Danger",
            "pickleScanMessage": "**Detected Pickle imports (1)**\n```\nos.system\n```",
            "virusScanResult": "Success", "virusScanMessage": long,
        }))
        .unwrap();
        let start =
            "pickle scan: Danger (**Detected Pickle imports (1)** ``` os.system ```); virus";
        assert!(scan.detail.starts_with(start), "{}", scan.detail);
        assert!(scan.detail.len() < 800, "{}", scan.detail.len());
        assert!(!scan.detail.contains('\n'));
    }

    #[test]
    fn a_verdict_of_a_later_release_is_read_as_unknown() {
        let scan: HubScan = serde_json::from_value(json!({"verdict": "cursed"})).unwrap();
        assert_eq!(scan.verdict, ScanVerdict::Unknown);
    }
}

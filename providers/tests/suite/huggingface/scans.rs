//! The word of the hub's own scanners.

use modelferry_providers::ScanVerdict;

use super::*;

fn verdict(plan: &Plan, path: &str) -> Option<ScanVerdict> {
    let file = plan
        .artifacts
        .iter()
        .find(|file| file.path.as_str() == path);
    file.unwrap().scan.as_ref().map(|scan| scan.verdict)
}

#[tokio::test]
async fn files_that_the_hub_calls_unsafe_are_marked_and_warned_of() {
    let harbour = standard().await;
    let plan = harbour.plan("acme/pickles").await;
    assert_eq!(verdict(&plan, "hostile.pt"), Some(ScanVerdict::Danger));
    assert_eq!(verdict(&plan, "pytorch_model.bin"), Some(ScanVerdict::Safe));
    assert_eq!(verdict(&plan, "model.Q4_K_M.gguf"), Some(ScanVerdict::Safe));
    assert_eq!(codes(&plan), ["hub_flagged_unsafe"]);
    assert!(plan.warnings[0].message.contains("`hostile.pt`"));
    let scan = plan
        .artifacts
        .iter()
        .find_map(|file| file.scan.as_ref())
        .unwrap();
    assert_eq!(scan.source, "huggingface");
}

#[tokio::test]
async fn one_file_is_marked_without_a_further_request() {
    let harbour = standard().await;
    let plan = harbour.plan("hf://acme/pickles/hostile.pt").await;
    assert_eq!(verdict(&plan, "hostile.pt"), Some(ScanVerdict::Danger));
    assert_eq!(harbour.hub.requests().len(), 2);
}

#[tokio::test]
async fn a_hub_without_scanners_resolves_all_the_same() {
    for (fault, warnings) in [
        (Fault::status(404), &[][..]),
        (Fault::status(405), &[]),
        (Fault::status(500), &["no_hub_scan"]),
        (Fault::rate_limited(9000), &["no_hub_scan"]),
        (Fault::html("no such page"), &["no_hub_scan"]),
        (Fault::hang_up(), &["no_hub_scan"]),
    ] {
        let harbour = standard().await;
        harbour.hub.order(fault.path("paths-info"));
        let plan = harbour.plan("acme/pickles").await;
        assert_eq!(verdict(&plan, "hostile.pt"), None);
        assert_eq!(codes(&plan), warnings);
        let asked = harbour.hub.requests();
        let times = asked
            .iter()
            .filter(|seen| seen.path.contains("paths-info"))
            .count();
        assert_eq!(times, 1, "good to know and no more");
    }
}

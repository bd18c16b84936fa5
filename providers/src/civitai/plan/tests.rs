use std::collections::HashSet;

use serde_json::Value;

use super::super::access;
use super::super::lookup::{Short, assemble};
use super::super::wire::tests::{mangled, minis, models, versions};
use super::super::wire::{Mini, Model, Version};
use super::*;
use crate::http::HttpSettings;
use crate::{Http, Locator};

fn http() -> Http {
    Http::new(HttpSettings::default()).unwrap()
}

fn api(http: &Http) -> Api<'_> {
    Api {
        http,
        base: SafeUrl::parse("https://civitai.com").unwrap(),
        token: None,
        sister: None,
    }
}

/// Plans all files of what these answers say, and checks what must hold of any
/// plan. Whether one comes out at all is up to the answers.
fn plan_of(api: &Api<'_>, model: Value, version: Option<Value>, mini: Option<Value>) -> bool {
    let model: Model = serde_json::from_value(model).unwrap();
    let version: Option<Version> = version.map(|value| serde_json::from_value(value).unwrap());
    let mini: Option<Mini> = mini.map(|value| serde_json::from_value(value).unwrap());
    let id = CivitaiId::new(50).unwrap();
    let Some(found) = assemble(
        api,
        id,
        version,
        mini.map(|mini| Short { mini, file: None }),
        Some((id, model)),
    ) else {
        return false;
    };
    let _ = access::doubt(api, &found, 1_787_423_400);
    let all = Selection {
        all_files: true,
        ..Selection::default()
    };
    let Ok(plan) = plan(api, &found, &version_50(), &all) else {
        return false;
    };
    let paths: HashSet<String> = plan
        .artifacts
        .iter()
        .map(|artifact| artifact.path.fold_key())
        .collect();
    assert_eq!(paths.len(), plan.artifacts.len());
    let content = "ab".repeat(32).parse().unwrap();
    for sidecar in plan.sidecars() {
        assert!(sidecar.info(&content).is_object());
    }
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
    true
}

fn version_50() -> CivitaiRef {
    let endpoint = SafeUrl::parse("https://civitai.com").unwrap();
    let source = "https://civitai.com/model-versions/50";
    match super::super::parse::parse(source, &endpoint) {
        Some(Ok(reference)) => match reference.locator {
            Locator::Civitai(civitai) => civitai,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_is_made_of_whatever_the_hub_leaves_out_or_spoils() {
    let http = http();
    let api = api(&http);
    let (mut planned, mut all) = (0, 0);
    let mut count = |is_planned: bool| {
        all += 1;
        planned += usize::from(is_planned);
    };
    // Each key left out, null and of another type; the reader's own test has every type.
    let some = |(what, _): &(String, Value)| {
        what.starts_with("without") || what.ends_with("null") || what.ends_with("text\"")
    };
    for model in models() {
        for (_, changed) in mangled(&model).filter(some) {
            count(plan_of(&api, changed, None, None));
        }
    }
    let model = models().swap_remove(1);
    let mut version = versions().swap_remove(0);
    version["files"][0]["id"] = 483.into();
    for (_, changed) in mangled(&version).filter(some) {
        count(plan_of(&api, model.clone(), Some(changed), None));
    }
    for (_, changed) in mangled(&minis().swap_remove(0)).filter(some) {
        let hidden = serde_json::json!({});
        count(plan_of(&api, hidden, None, Some(changed)));
    }
    // Archived models and those without the version have nothing to plan.
    assert!(planned * 2 > all, "{planned} of {all}");
}

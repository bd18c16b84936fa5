//! Which files a plan has, and what they are called.

use modelferry_fixtures::{CivitaiFile, CivitaiModel, CivitaiVersion, Content, Scene};
use modelferry_providers::{Auth, ErrorKind, Plan, ScanVerdict, Selection};

use super::{codes, harbour, is, paths, sha256};

fn weights(id: u64, upload: &str) -> CivitaiFile {
    CivitaiFile::new(id, upload, Content::safetensors(id, 4000 + id))
}

fn one_version(kind: &str, files: impl IntoIterator<Item = CivitaiFile>) -> Scene {
    let version = files
        .into_iter()
        .fold(CivitaiVersion::new(10, "v1"), CivitaiVersion::file);
    Scene::empty().model(CivitaiModel::new(1, "Boat", kind).version(version))
}

fn all_files() -> Selection {
    Selection {
        all_files: true,
        ..Selection::default()
    }
}

#[tokio::test]
async fn files_of_one_name_all_land_each_with_its_own_content() {
    let scene = one_version(
        "LORA",
        [
            weights(3, "boat.safetensors")
                .meta("size", "full")
                .meta("fp", "fp32"),
            weights(4, "boat.safetensors")
                .meta("size", "pruned")
                .meta("fp", "fp16"),
            weights(5, "boat.safetensors")
                .meta("size", "pruned")
                .meta("fp", "fp16"),
        ],
    );
    let harbour = harbour(scene).await;
    let plan = harbour
        .try_plan("civitai:1", all_files(), &Auth::anonymous())
        .await
        .unwrap();
    let expected = [
        "boat.safetensors",
        "boat-pruned-fp16.safetensors",
        "boat-5.safetensors",
    ];
    assert_eq!(paths(&plan), expected);
    for file in &plan.artifacts {
        let bytes = harbour.read(file, &Auth::anonymous()).await.unwrap();
        assert_eq!(
            file.digests.sha256.unwrap().to_string(),
            sha256(&bytes),
            "{}",
            file.path
        );
    }
    // A file's path does not depend on which others are taken.
    let alone = harbour.plan("civitai:1@10+5").await;
    assert_eq!(paths(&alone), ["boat-5.safetensors"]);
}

#[tokio::test]
async fn quants_that_differ_in_their_download_url_alone_are_told_apart() {
    let quant = |id, quant: &str| {
        CivitaiFile::new(id, "boat.gguf", Content::seeded(id, 3000)).meta("quantType", quant)
    };
    let harbour = harbour(one_version("LORA", [quant(1, "Q8_0"), quant(2, "Q4_K_M")])).await;
    // What the version's own endpoint says; the hub prefers Q4_K_M.
    assert_eq!(
        paths(&harbour.plan("civitai:1").await),
        ["boat-Q4_K_M.gguf"]
    );
    let source = "https://civitai.com/api/download/models/10?type=Model&format=GGUF&quantType=Q8_0";
    let plan = harbour.plan(source).await;
    assert_eq!(plan.reference, "civitai:1@10+1");
}

#[tokio::test]
async fn companions_stay_behind_with_a_word_and_come_with_all_files() {
    let harbour = harbour(Scene::standard()).await;
    let plan = harbour.plan("civitai:4384").await;
    assert_eq!(plan.artifacts.len(), 1);
    assert_eq!(codes(&plan), ["other_files"]);
    let all = harbour
        .try_plan("civitai:4384", all_files(), &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(all.artifacts.len(), 4);
    assert_eq!(codes(&all), Vec::<&str>::new());
}

#[tokio::test]
async fn files_that_share_a_download_url_each_come_by_their_id() {
    let data =
        |id| CivitaiFile::new(id, "data.zip", Content::seeded(id, 2000)).kind("Training Data");
    let harbour = harbour(one_version(
        "LORA",
        [data(1), weights(2, "boat.safetensors"), data(3)],
    ))
    .await;
    let plan = harbour
        .try_plan("civitai:1", all_files(), &Auth::anonymous())
        .await
        .unwrap();
    for file in &plan.artifacts {
        let bytes = harbour.read(file, &Auth::anonymous()).await.unwrap();
        assert_eq!(
            file.digests.sha256.unwrap().to_string(),
            sha256(&bytes),
            "{}",
            file.path
        );
    }
    let error = harbour
        .refused(
            "https://civitai.com/api/download/training-data/10",
            &Auth::anonymous(),
        )
        .await;
    is(&error, ErrorKind::InvalidSource);
    assert!(
        error.message.contains("/api/download/models/10?fileId=3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_main_file_that_is_no_weights_is_imported_as_an_asset_with_a_warning() {
    let zip = CivitaiFile::new(1, "poses.zip", Content::seeded(1, 2000)).kind("Archive");
    let harbour = harbour(one_version("Poses", [zip])).await;
    let plan = harbour.plan("civitai:1").await;
    assert!(plan.is_asset);
    assert_eq!(codes(&plan), ["not_weights"]);
}

#[tokio::test]
async fn a_main_file_that_is_not_public_leaves_the_choice_to_the_user() {
    let mut hidden = weights(1, "hidden.safetensors").meta("size", "pruned");
    hidden.is_public = false;
    let scene = one_version(
        "LORA",
        [
            hidden,
            weights(2, "a.safetensors"),
            weights(3, "b.safetensors"),
        ],
    );
    let harbour = harbour(scene).await;
    let error = harbour.refused("civitai:1", &Auth::anonymous()).await;
    is(&error, ErrorKind::InvalidSource);
    for url in ["?fileId=2", "?fileId=3"] {
        assert!(error.message.contains(url), "{error}");
    }
}

#[tokio::test]
async fn what_the_hubs_scan_found_dangerous_is_said() {
    let pickle = CivitaiFile::new(1, "boat.ckpt", Content::seeded(1, 2000)).scan("Danger", None);
    let harbour = harbour(one_version("Checkpoint", [pickle])).await;
    let plan = harbour.plan("civitai:1").await;
    assert_eq!(codes(&plan), ["hub_flagged_unsafe"]);
    let scan = plan.artifacts[0].scan.as_ref().unwrap();
    assert_eq!(scan.verdict, ScanVerdict::Danger);
    // It goes with the plan to whichever worker carries it out.
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
}

#[tokio::test]
async fn patterns_match_the_names_that_the_plan_shows() {
    let harbour = harbour(Scene::standard()).await;
    let vae = Selection {
        include: vec!["*.pt".into(), "*.yaml".into()],
        ..Selection::default()
    };
    let plan = harbour
        .try_plan("civitai:4384", vae, &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(plan.artifacts.len(), 2, "{:?}", paths(&plan));
}

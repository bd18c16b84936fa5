//! From a source to a plan.

use modelferry_fixtures::{
    CivitaiFile, CivitaiModel, CivitaiVersion, Content, Fault, Hashes, Scene, Site,
};
use modelferry_providers::{
    Auth, ErrorKind, ProviderKind, Providers, SafeUrl, Selection, Settings, Size,
};
use serde_json::json;

use super::{codes, harbour, is, paths, sha256, token};

#[tokio::test]
async fn a_version_is_pinned_with_its_weights_and_comes_down_whole() {
    let harbour = harbour(Scene::standard()).await;
    let plan = harbour.plan("civitai:4384@128713").await;
    assert_eq!(plan.provider, ProviderKind::Civitai);
    assert_eq!(plan.reference, "civitai:4384@128713");
    assert_eq!(plan.revision, "128713");
    assert_eq!(plan.name, "Harbour Shaper v2.0");
    assert_eq!(
        plan.page,
        format!(
            "{}/models/4384?modelVersionId=128713",
            harbour.hub.civitai_url()
        )
    );
    assert_eq!(plan.place.owner.as_str(), "harbour");
    assert_eq!(plan.place.name.as_str(), "Harbour Shaper-4384");
    assert_eq!(plan.place.revision.as_str(), "128713");
    assert!(!plan.is_asset);
    let [file] = plan.artifacts.as_slice() else {
        panic!("{:?}", plan.artifacts);
    };
    assert_eq!(file.path.as_str(), "harbourShaper_v20.safetensors");
    let bytes = harbour.read(file, &Auth::anonymous()).await.unwrap();
    assert_eq!(file.size, Size::About(bytes.len() as u64));
    assert_eq!(file.digests.sha256.unwrap().to_string(), sha256(&bytes));
    assert_eq!(harbour.downloads().len(), 1);
    assert!(harbour.downloads()[0].query.starts_with("fileId=93208"));
}

#[tokio::test]
async fn every_way_to_name_a_version_comes_to_the_same_plan() {
    let harbour = harbour(Scene::standard()).await;
    let expected = harbour.plan("civitai:4384@128713").await;
    let sha256 = expected.artifacts[0].digests.sha256.unwrap();
    let own = harbour.hub.civitai_url();
    for source in [
        "civitai:4384".to_owned(),
        "https://civitai.com/models/4384/harbour-shaper".to_owned(),
        "https://civitai.red/models/4384?modelVersionId=128713".to_owned(),
        "https://civitai.com/model-versions/128713".to_owned(),
        "https://civitai.com/api/download/models/128713".to_owned(),
        "urn:air:sdxl:checkpoint:civitai:4384@128713".to_owned(),
        format!("{own}/models/4384"),
        format!("{own}/api/v1/model-versions/128713"),
    ] {
        assert_eq!(harbour.plan(&source).await, expected, "{source}");
    }
    for source in [
        sha256.to_string(),
        format!("civitai:sha256:{sha256}"),
        format!("civitai:autov2:{}", &sha256.to_string()[..10]),
        format!("{own}/api/v1/model-versions/by-hash/{sha256}"),
        "civitai:4384@128713+93208".to_owned(),
        "civitai:4384+93208".to_owned(),
        format!("{own}/api/download/models/128713?fileId=93208"),
        format!(
            "{own}/api/download/models/128713?type=Model&format=SafeTensor&size=pruned&fp=fp16"
        ),
    ] {
        let plan = harbour.plan(&source).await;
        assert_eq!(plan.reference, "civitai:4384@128713+93208", "{source}");
        assert_eq!(plan.artifacts, expected.artifacts, "{source}");
    }
}

#[tokio::test]
async fn a_plans_reference_is_a_source_of_the_same_plan() {
    let harbour = harbour(Scene::standard()).await;
    for source in [
        "civitai:4384",
        "civitai:4384@128713+93209",
        "https://civitai.com/api/download/models/128713?type=VAE",
        "https://civitai.com/api/download/models/109123",
    ] {
        let plan = harbour.plan(source).await;
        assert_eq!(harbour.plan(&plan.reference).await, plan, "{source}");
    }
    let every_model = Selection {
        include: vec!["*".into()],
        ..Selection::default()
    };
    let source = "https://civitai.com/api/download/models/128713?type=Model";
    let plan = harbour
        .try_plan(source, every_model.clone(), &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(plan.reference, "civitai:4384@128713?type=Model");
    assert_eq!(plan.artifacts.len(), 2);
    let again = harbour
        .try_plan(&plan.reference, every_model, &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(again, plan);
}

#[tokio::test]
async fn a_hash_finds_a_file_that_is_not_the_primary_one() {
    let harbour = harbour(Scene::standard()).await;
    let scene = harbour.hub.scene();
    let vae = scene
        .find_version(128_713)
        .unwrap()
        .1
        .find_file(93_210)
        .unwrap()
        .content
        .sha256();
    let plan = harbour.plan(&vae).await;
    assert_eq!(plan.reference, "civitai:4384@128713+93210");
    assert_eq!(plan.artifacts[0].digests.sha256.unwrap().to_string(), vae);
    let unknown = harbour.refused(&"0".repeat(64), &Auth::anonymous()).await;
    is(&unknown, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_model_without_a_version_means_the_one_published_last() {
    let older_first = |model: &mut CivitaiModel| model.versions.reverse();
    let harbour = harbour(Scene::standard()).await;
    harbour
        .hub
        .change_scene(|scene| scene.models.iter_mut().for_each(older_first));
    assert_eq!(harbour.plan("civitai:4384").await.revision, "128713");
}

#[tokio::test]
async fn a_revision_given_beside_the_source_is_a_version() {
    let harbour = harbour(Scene::standard()).await;
    let at = |revision: &str| Selection {
        revision: Some(revision.into()),
        ..Selection::default()
    };
    let auth = Auth::anonymous();
    let plan = harbour
        .try_plan("civitai:4384", at("109123"), &auth)
        .await
        .unwrap();
    assert_eq!(plan.revision, "109123");
    for (source, revision) in [("civitai:4384", "main"), ("civitai:4384@128713", "109123")] {
        let error = harbour
            .try_plan(source, at(revision), &auth)
            .await
            .unwrap_err();
        is(&error, ErrorKind::InvalidSource);
    }
}

#[tokio::test]
async fn a_version_hidden_from_its_own_endpoint_is_found_by_the_others() {
    let harbour = harbour(Scene::standard()).await;
    let plan = harbour
        .plan("https://civitai.com/model-versions/50070")
        .await;
    assert_eq!(plan.reference, "civitai:5007@50070");
    assert_eq!(plan.artifacts.len(), 1);
    let asked: Vec<String> = harbour
        .at(Site::Civitai)
        .into_iter()
        .map(|seen| seen.path)
        .collect();
    for path in [
        "/api/v1/model-versions/50070",
        "/api/v1/model-versions/mini/50070",
        "/api/v1/models/5007",
    ] {
        assert!(
            asked.iter().any(|asked| asked == path),
            "{path} in {asked:?}"
        );
    }
    harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_short_form_alone_is_enough_to_import_the_main_file() {
    let harbour = harbour(Scene::standard()).await;
    for path in ["/model-versions/50070", "/api/v1/models/5007"] {
        harbour
            .hub
            .order(Fault::status(404).on(Site::Civitai).path(path));
    }
    let plan = harbour
        .plan("https://civitai.com/model-versions/50070")
        .await;
    assert!(codes(&plan).contains(&"no_file_id"), "{:?}", plan.warnings);
    assert_eq!(plan.reference, "civitai:5007@50070");
    harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_short_form_of_one_file_has_that_files_id() {
    let harbour = harbour(Scene::standard()).await;
    for path in ["/model-versions/128713", "/api/v1/models/4384"] {
        harbour
            .hub
            .order(Fault::status(404).on(Site::Civitai).path(path));
    }
    let plan = harbour
        .plan("https://civitai.com/api/v1/model-versions/mini/128713?modelFileId=93210")
        .await;
    assert_eq!(plan.reference, "civitai:4384@128713+93210");
    harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(harbour.downloads()[0].query, "fileId=93210");
    let missing = "https://civitai.com/api/v1/model-versions/mini/128713?modelFileId=7";
    let error = harbour.refused(missing, &Auth::anonymous()).await;
    is(&error, ErrorKind::NotFound);
    assert!(error.message.contains("has no file 7"), "{error}");
}

#[tokio::test]
async fn a_download_url_that_the_hub_itself_can_not_serve_names_its_file() {
    let harbour = harbour(Scene::standard()).await;
    // The hub's own URL of the file, for which a pruned sibling scores higher and then misfits.
    let source = "https://civitai.com/api/download/models/50250?type=UNet&format=SafeTensor&fp=fp8";
    let plan = harbour.plan(source).await;
    assert_eq!(plan.reference, "civitai:5025@50250+502501");
    let bytes = harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
    let stated = plan.artifacts[0].digests.sha256.unwrap();
    assert_eq!(stated.to_string(), sha256(&bytes));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let harbour = harbour(Scene::standard()).await;
    let auth = Auth::anonymous();
    for (source, part) in [
        ("civitai:999999", "has no model 999999"),
        (
            "https://civitai.com/model-versions/999999",
            "has no version 999999",
        ),
        ("civitai:5006", "has no published version"),
        ("civitai:4384+1", "has a file 1"),
        ("civitai:4384@128713+1", "has no file 1"),
    ] {
        let error = harbour.refused(source, &auth).await;
        is(&error, ErrorKind::NotFound);
        assert!(error.message.contains(part), "{source}: {error}");
        assert!(error.hint.is_some(), "{source}");
    }
}

#[tokio::test]
async fn a_version_of_another_model_is_refused_with_the_right_source() {
    let harbour = harbour(Scene::standard()).await;
    let error = harbour
        .refused("civitai:4384@368189", &Auth::anonymous())
        .await;
    is(&error, ErrorKind::InvalidSource);
    assert!(error.hint.unwrap().contains("civitai:328553@368189"));
}

#[tokio::test]
async fn hashes_of_either_case_are_digests_and_others_are_warned_of() {
    let lower = CivitaiVersion::new(10, "v1").file(
        CivitaiFile::new(1, "a.safetensors", Content::safetensors(1, 5000)).hashes(Hashes::Lower),
    );
    let none = CivitaiVersion::new(20, "v2").file(
        CivitaiFile::new(2, "b.safetensors", Content::safetensors(2, 5000)).hashes(Hashes::Empty),
    );
    let elided = CivitaiFile::new(3, "c.safetensors", Content::safetensors(3, 5000))
        .patch("hashes", json!({"SHA256": "A5F58EB1C33616..."}));
    let model = CivitaiModel::new(1, "Hashes", "LORA")
        .version(lower)
        .version(none)
        .version(CivitaiVersion::new(30, "v3").file(elided));
    let harbour = harbour(Scene::empty().model(model)).await;
    let plan = harbour.plan("civitai:1@10").await;
    assert!(plan.artifacts[0].digests.sha256.is_some());
    assert_eq!(codes(&plan), Vec::<&str>::new());
    for (source, code) in [("civitai:1@20", "no_hash"), ("civitai:1@30", "bad_hash")] {
        let plan = harbour.plan(source).await;
        assert_eq!(plan.artifacts[0].digests.sha256, None);
        assert_eq!(codes(&plan), [code], "{source}");
    }
}

#[tokio::test]
async fn the_users_hash_goes_before_the_hubs() {
    let harbour = harbour(Scene::standard()).await;
    let given = "cd".repeat(32).parse().unwrap();
    let auth = Auth::anonymous();
    let one = Selection {
        sha256: Some(given),
        ..Selection::default()
    };
    let plan = harbour
        .try_plan("civitai:4384", one.clone(), &auth)
        .await
        .unwrap();
    assert_eq!(plan.artifacts[0].digests.sha256, Some(given));
    assert!(codes(&plan).contains(&"hash_overridden"));
    let plan = harbour
        .try_plan("civitai:5008", one.clone(), &auth)
        .await
        .unwrap();
    assert_eq!(plan.artifacts[0].digests.sha256, Some(given));
    // Its scan is still pending, and its missing hash is missed no more.
    assert_eq!(codes(&plan), ["hub_scan_pending"]);
    let all = Selection {
        all_files: true,
        ..one
    };
    let error = harbour
        .try_plan("civitai:4384", all, &auth)
        .await
        .unwrap_err();
    is(&error, ErrorKind::InvalidSource);
}

#[tokio::test]
async fn few_requests_resolve_and_none_of_them_counts_as_a_download() {
    let harbour = harbour(Scene::standard()).await;
    harbour.plan("civitai:4384").await;
    let asked = harbour.at(Site::Civitai);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(harbour.downloads().len(), 0);
    for seen in asked {
        let agent = seen.user_agent.unwrap().to_lowercase();
        let browsers = ["mozilla", "chrome", "safari", "firefox", "opera", "edge"];
        assert!(
            browsers.iter().all(|browser| !agent.contains(browser)),
            "{agent}"
        );
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_used_as_a_header_and_never_shown() {
    let harbour = harbour(Scene::standard()).await;
    let source = "https://civitai.com/api/download/models/50030?token=civitai_good";
    let plan = harbour.plan(source).await;
    for seen in harbour.at(Site::Civitai) {
        assert_eq!(seen.authorization.as_deref(), Some("Bearer civitai_good"));
        assert!(!seen.query.contains("civitai_good"), "{seen:?}");
    }
    assert!(
        !serde_json::to_string(&plan)
            .unwrap()
            .contains("civitai_good")
    );
    assert_eq!(paths(&plan).len(), 1);
    harbour
        .read(&plan.artifacts[0], &token("civitai_good"))
        .await
        .unwrap();
}

#[tokio::test]
async fn among_all_providers_civitai_gets_what_is_its_own() {
    let endpoint = SafeUrl::parse("https://civitai.com").unwrap();
    let settings = Settings {
        huggingface_endpoint: SafeUrl::parse("https://huggingface.co").unwrap(),
        civitai_endpoint: endpoint.clone(),
    };
    let providers = Providers::new(&settings, &super::http(vec![endpoint]));
    for source in [
        "civitai:4384",
        "civitai.com/models/4384",
        "sdxl:lora:civitai:1@2",
        &"ab".repeat(32),
        &"12".repeat(32),
    ] {
        let reference = providers.parse(source).unwrap();
        assert_eq!(reference.provider(), ProviderKind::Civitai, "{source}");
    }
    assert!(providers.parse("ghcr:x@sha256:abc").is_err());
    for source in ["4384", "civitai.com/models", "https://civitai.com/images/1"] {
        let error = providers.parse(source).unwrap_err();
        assert!(error.example.contains("civitai"), "{source}: {error}");
    }
}

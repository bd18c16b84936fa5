//! Who may have a version, known before the plan is announced.

use modelferry_fixtures::{AccessForm, CivitaiFile, CivitaiModel, CivitaiVersion, Content, Scene};
use modelferry_providers::{Auth, ErrorKind, Provider, Selection};

use super::{codes, harbour, is, token};

#[tokio::test]
async fn each_obstacle_is_named_before_anything_is_downloaded() {
    let harbour = harbour(Scene::standard()).await;
    let cases = [
        ("civitai:5001", ErrorKind::AuthRequired),
        ("civitai:5002", ErrorKind::AccessDenied),
        ("civitai:5003", ErrorKind::EarlyAccess),
        ("civitai:5004", ErrorKind::Archived),
    ];
    for (source, kind) in cases {
        is(&harbour.refused(source, &Auth::anonymous()).await, kind);
    }
    assert_eq!(harbour.downloads().len(), 0);
}

#[tokio::test]
async fn nobody_is_told_to_log_in_where_a_login_does_not_help() {
    let harbour = harbour(Scene::standard()).await;
    for source in ["civitai:5002", "civitai:5004"] {
        for auth in [Auth::anonymous(), token("civitai_good")] {
            let hint = harbour.refused(source, &auth).await.hint.unwrap();
            assert!(hint.contains("token does not help"), "{source}: {hint}");
            assert!(!hint.contains("API key"), "{source}: {hint}");
        }
    }
    let needed = harbour.refused("civitai:5001", &Auth::anonymous()).await;
    assert!(needed.hint.unwrap().contains("CIVITAI_API_KEY"));
}

#[tokio::test]
async fn early_access_says_when_it_ends_and_where_to_buy() {
    let harbour = harbour(Scene::standard()).await;
    for auth in [Auth::anonymous(), token("civitai_stranger")] {
        let error = harbour.refused("civitai:5003", &auth).await;
        is(&error, ErrorKind::EarlyAccess);
        assert!(error.message.contains("2099-01-01 00:00 UTC"), "{error}");
        assert!(error.hint.unwrap().contains("/models/5003"));
    }
}

#[tokio::test]
async fn a_model_sold_in_its_newest_version_names_the_newest_free_one() {
    let version = |id: u64, day: &str| {
        let file = CivitaiFile::new(id, "a.safetensors", Content::safetensors(id, 4000));
        let mut version = CivitaiVersion::new(id, "v").file(file);
        version.published_at = format!("2026-01-{day}T00:00:00.000Z");
        version
    };
    let sold = version(30, "03").early_access(AccessForm::Paid, None, &[]);
    let model = CivitaiModel::new(1, "Boat", "LORA").version(sold);
    let model = model.version(version(10, "01")).version(version(20, "02"));
    let harbour = harbour(Scene::empty().model(model)).await;
    let error = harbour.refused("civitai:1", &Auth::anonymous()).await;
    is(&error, ErrorKind::EarlyAccess);
    assert!(error.hint.unwrap().contains("civitai:1@20"));
}

#[tokio::test]
async fn who_bought_early_access_gets_it_with_one_counted_request() {
    let harbour = harbour(Scene::standard()).await;
    let buyer = token("civitai_good");
    let plan = harbour.plan_as("civitai:5003", &buyer).await;
    harbour
        .civitai
        .may_read(&plan.artifacts[0], &buyer)
        .await
        .unwrap();
    harbour.read(&plan.artifacts[0], &buyer).await.unwrap();
    assert_eq!(harbour.downloads().len(), 1);
}

#[tokio::test]
async fn early_access_is_known_in_its_older_forms() {
    let sold = |id: u64, form, ends_at| {
        let file = CivitaiFile::new(id, "a.safetensors", Content::safetensors(id, 4000));
        let version = CivitaiVersion::new(id * 10, "v1").file(file);
        CivitaiModel::new(id, "Sold", "LORA").version(version.early_access(
            form,
            ends_at,
            &["civitai_good"],
        ))
    };
    let scene = Scene::empty()
        .model(sold(
            1,
            AccessForm::EndsAt,
            Some("2099-01-01T00:00:00.000Z"),
        ))
        .model(sold(2, AccessForm::TimeFrame, None))
        .model(sold(3, AccessForm::Paid, None));
    let harbour = harbour(scene).await;
    for source in ["civitai:1", "civitai:2", "civitai:3"] {
        is(
            &harbour.refused(source, &Auth::anonymous()).await,
            ErrorKind::EarlyAccess,
        );
        harbour.plan_as(source, &token("civitai_good")).await;
    }
}

#[tokio::test]
async fn a_rejected_token_is_called_that() {
    let harbour = harbour(Scene::standard()).await;
    let error = harbour
        .refused("civitai:5001", &token("civitai_stale"))
        .await;
    is(&error, ErrorKind::AuthRequired);
    assert!(
        error.message.contains("does not accept the token"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("civitai_stale"));
    harbour
        .plan_as("civitai:5001", &token("civitai_good"))
        .await;
}

#[tokio::test]
async fn a_grant_that_only_the_download_knows_of_is_proven_by_it() {
    let mut scene = Scene::standard();
    scene.version_mut(368_189).unwrap().granted = Some(vec!["civitai_good".into()]);
    let harbour = harbour(scene).await;
    let plan = harbour.plan("civitai:328553").await;
    let file = &plan.artifacts[0];
    let error = harbour
        .civitai
        .may_read(file, &Auth::anonymous())
        .await
        .unwrap_err();
    is(&error, ErrorKind::AccessDenied);
    harbour
        .civitai
        .may_read(file, &token("civitai_good"))
        .await
        .unwrap();
    // What one account may read opens nothing to another.
    is(
        &harbour.read(file, &Auth::anonymous()).await.unwrap_err(),
        ErrorKind::AccessDenied,
    );
}

#[tokio::test]
async fn a_model_taken_down_is_imported_with_a_warning() {
    let harbour = harbour(Scene::standard()).await;
    let plan = harbour.plan("civitai:5005").await;
    assert_eq!(codes(&plan), ["taken_down"]);
    harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
}

#[tokio::test]
async fn one_proof_answers_for_every_file_of_a_version() {
    let harbour = harbour(Scene::standard()).await;
    let all = Selection {
        all_files: true,
        ..Selection::default()
    };
    let plan = harbour
        .try_plan("civitai:4384", all, &Auth::anonymous())
        .await
        .unwrap();
    let older = harbour.plan("civitai:4384@109123").await;
    let grants: Vec<String> = plan
        .artifacts
        .iter()
        .map(|file| file.origin.grant())
        .collect();
    assert!(grants.iter().all(|grant| *grant == grants[0]), "{grants:?}");
    assert_ne!(older.artifacts[0].origin.grant(), grants[0]);
}

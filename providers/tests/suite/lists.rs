//! Lists of sources on both hubs, page by page.

use futures_util::TryStreamExt;
use modelferry_fixtures::{
    CivitaiFile, CivitaiModel, CivitaiVersion, Collection, Content, Hub, Mirror, Repo, RepoKind,
    Scene,
};
use modelferry_providers::listing::Listed;
use modelferry_providers::{Auth, ErrorKind, ProviderError, Providers, SafeUrl, Settings};

use super::raw::quick;

async fn start(scene: Scene) -> (Hub, Providers) {
    let hub = Hub::start(scene).await.unwrap();
    let url = |text: String| SafeUrl::parse(&text).unwrap();
    let settings = Settings {
        huggingface_endpoint: url(hub.huggingface_url()),
        civitai_endpoint: url(hub.civitai_url()),
    };
    let http = modelferry_providers::Http::new(modelferry_providers::http::HttpSettings {
        endpoints: vec![
            settings.huggingface_endpoint.clone(),
            settings.civitai_endpoint.clone(),
        ],
        ..quick()
    })
    .unwrap();
    let providers = Providers::new(&settings, &http);
    (hub, providers)
}

async fn listed(providers: &Providers, address: &str) -> Result<Vec<Listed>, ProviderError> {
    let listing = providers.parse_listing(address).unwrap().unwrap();
    let auth = Auth::anonymous();
    providers.list(&listing, &auth).try_collect().await
}

fn sources(entries: &[Listed]) -> Vec<&str> {
    entries.iter().map(|entry| entry.source.as_str()).collect()
}

/// An author with so many models, on pages of 1,000.
fn author_of(count: usize) -> Scene {
    let mut scene = Scene::empty();
    scene.repos = (0..count)
        .map(|nth| Repo::model(&format!("acme/m{nth:05}")))
        .chain([Repo::model("other/x"), Repo::dataset("acme/data")])
        .collect();
    scene
}

#[tokio::test]
async fn an_authors_models_come_page_by_page_with_their_commits() {
    let (hub, providers) = start(author_of(2_500)).await;
    let entries = listed(&providers, "https://huggingface.co/acme")
        .await
        .unwrap();
    assert_eq!(entries.len(), 2_500);
    assert_eq!(entries[7].source, "acme/m00007");
    let sha = hub.scene().find_repo("acme/m00007").unwrap().sha();
    assert_eq!(entries[7].revision.as_deref(), Some(sha.as_str()));
    assert!(entries[7].updated.is_some());
    assert_eq!(hub.requests().len(), 3);
}

#[tokio::test]
async fn an_authors_other_types_are_lists_of_their_own() {
    let (_hub, providers) = start(author_of(2)).await;
    let entries = listed(&providers, "https://huggingface.co/acme/datasets")
        .await
        .unwrap();
    assert_eq!(sources(&entries), ["hf://datasets/acme/data"]);
}

#[tokio::test]
async fn a_next_page_at_another_host_is_asked_for_at_ours() {
    let mut scene = author_of(5);
    scene.mirror = Mirror {
        page_size: 2,
        link_host: Some("https://huggingface.co".into()),
        ..Mirror::default()
    };
    let (_hub, providers) = start(scene).await;
    let entries = listed(&providers, "https://huggingface.co/acme")
        .await
        .unwrap();
    assert_eq!(entries.len(), 5);
}

#[tokio::test]
async fn a_collection_names_repositories_of_every_type_in_its_order() {
    let mut scene = author_of(3);
    scene.collections.push(Collection {
        slug: "acme/fine-0123456789abcdef01234567".into(),
        title: "Fine".into(),
        items: vec![
            (RepoKind::Dataset, "acme/data".into()),
            (RepoKind::Model, "acme/m00002".into()),
        ],
    });
    let (_hub, providers) = start(scene).await;
    let address = "https://huggingface.co/collections/acme/fine-0123456789abcdef01234567";
    let entries = listed(&providers, address).await.unwrap();
    assert_eq!(
        sources(&entries),
        ["hf://datasets/acme/data", "acme/m00002"]
    );
}

#[tokio::test]
async fn a_list_that_is_not_there_is_not_found() {
    let (_hub, providers) = start(Scene::empty()).await;
    let address = "https://huggingface.co/collections/acme/none-0123456789abcdef01234567";
    let error = listed(&providers, address).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

/// A creator with so many models of two versions each.
fn creator_of(count: u64) -> Scene {
    let mut scene = Scene::empty();
    scene.models = (1..=count)
        .map(|id| {
            let file = CivitaiFile::new(id * 100, "w.safetensors", Content::bytes(vec![0; 2048]));
            CivitaiModel::new(id, &format!("Model {id}"), "LORA")
                .creator("painter")
                .version(CivitaiVersion::new(id * 10, "v1").base("Pony").file(file))
        })
        .collect();
    scene
}

#[tokio::test]
async fn a_creators_models_come_by_cursor_past_an_empty_page() {
    let (hub, providers) = start(creator_of(250)).await;
    let entries = listed(&providers, "https://civitai.com/user/painter/models")
        .await
        .unwrap();
    assert_eq!(entries.len(), 250);
    assert_eq!(entries[0].source, "civitai:1@10");
    assert_eq!(entries[0].revision.as_deref(), Some("10"));
    assert_eq!(entries[0].base_model.as_deref(), Some("Pony"));
    assert_eq!(entries[0].model_type.as_deref(), Some("LORA"));
    assert_eq!(entries[0].size, Some(2048));
    // Three pages with models and the empty one between them.
    assert_eq!(hub.requests().len(), 4);
}

#[tokio::test]
async fn a_text_search_goes_on_by_a_numeric_cursor() {
    let (_hub, providers) = start(creator_of(150)).await;
    let entries = listed(
        &providers,
        "https://civitai.com/models?query=model&types=LORA",
    )
    .await
    .unwrap();
    assert_eq!(entries.len(), 150);
}

#[tokio::test]
async fn a_plain_source_is_no_list() {
    let (_hub, providers) = start(Scene::empty()).await;
    for source in ["acme/tiny", "civitai:4384", "https://example.com/x.bin"] {
        assert_eq!(providers.parse_listing(source).unwrap(), None, "{source}");
    }
}

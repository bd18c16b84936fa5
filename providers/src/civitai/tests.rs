//! The sister domains, which only this crate can put somewhere else.

use modelferry_fixtures::{Hub, Scene, Seen, Site};

use super::*;
use crate::http::HttpSettings;

/// A hub that shows what it is given, and sister domains that show the standard scene.
struct Family {
    hub: Hub,
    red: Hub,
    green: Hub,
    civitai: Civitai,
}

async fn family(hub: Scene) -> Family {
    let hub = Hub::start(hub).await.unwrap();
    let red = Hub::start(Scene::standard()).await.unwrap();
    let green = Hub::start(Scene::standard()).await.unwrap();
    let url = |hub: &Hub| SafeUrl::parse(&hub.civitai_url()).unwrap();
    let http = Http::new(HttpSettings {
        allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
        endpoints: vec![url(&hub)],
        ..HttpSettings::default()
    });
    let sisters = Sisters(vec![
        (SisterHost::Red, url(&red)),
        (SisterHost::Green, url(&green)),
    ]);
    let civitai = Civitai::with_sisters(url(&hub), sisters, http.unwrap());
    Family {
        hub,
        red,
        green,
        civitai,
    }
}

impl Family {
    async fn resolve(&self, source: &str, auth: &Auth) -> Result<Plan, ProviderError> {
        let reference = self.civitai.parse(source).unwrap().unwrap();
        self.civitai.resolve(&reference, auth).await
    }
}

fn asked_of(hub: &Hub) -> Vec<Seen> {
    let requests = hub.requests();
    requests
        .into_iter()
        .filter(|seen| seen.site == Site::Civitai)
        .collect()
}

fn token() -> Auth {
    Auth {
        civitai: Token::new("civitai_good"),
        ..Auth::anonymous()
    }
}

#[tokio::test]
async fn a_sister_domain_is_asked_for_what_the_hub_does_not_show() {
    let family = family(Scene::empty()).await;
    for source in [
        "https://civitai.red/models/4384",
        // Mature models are shown there alone, whatever the source names.
        "https://civitai.com/models/4384",
        "civitai:4384@128713",
    ] {
        let plan = family.resolve(source, &token()).await.unwrap();
        assert_eq!(
            plan.page,
            format!(
                "{}/models/4384?modelVersionId=128713",
                family.red.civitai_url()
            ),
            "{source}"
        );
        let says_where = |warning: &crate::Warning| warning.code == "sister_domain";
        assert!(plan.warnings.iter().any(says_where), "{source}");
    }
    assert_eq!(asked_of(&family.green).len(), 0);
}

#[tokio::test]
async fn the_hubs_second_site_gets_the_token_and_hands_out_the_file() {
    let family = family(Scene::empty()).await;
    let plan = family
        .resolve("https://civitai.red/models/5001", &token())
        .await
        .unwrap();
    let file = &plan.artifacts[0];
    let body = family
        .civitai
        .open(file, &ByteRange::whole(), &token())
        .await;
    assert!(body.unwrap().total.is_some());
    let asked = asked_of(&family.red);
    assert!(asked.iter().any(|seen| seen.path.contains("/download/")));
    assert!(asked.iter().all(Seen::has_authorization), "{asked:?}");
}

#[tokio::test]
async fn a_domain_that_is_not_known_to_be_the_hubs_gets_no_token_and_the_hint_says_so() {
    let family = family(Scene::empty()).await;
    let plan = family
        .resolve("https://civitai.green/models/4384", &token())
        .await
        .unwrap();
    let body = family
        .civitai
        .open(&plan.artifacts[0], &ByteRange::whole(), &token())
        .await;
    assert!(body.unwrap().total.is_some());
    for source in ["5001", "5003"] {
        let source = format!("https://civitai.green/models/{source}");
        let refused = family.resolve(&source, &token()).await.unwrap_err();
        let hint = refused.hint.unwrap();
        assert!(hint.contains("CIVITAI_ENDPOINT"), "{source}: {hint}");
        assert!(!hint.contains("CIVITAI_API_KEY"), "{source}: {hint}");
    }
    let asked = asked_of(&family.green);
    assert!(!asked.iter().any(Seen::has_authorization), "{asked:?}");
    assert_eq!(asked_of(&family.red).len(), 0);
}

#[tokio::test]
async fn a_sister_domain_is_left_alone_when_the_hub_knows() {
    let knowing = family(Scene::standard()).await;
    knowing
        .resolve("https://civitai.red/models/4384", &token())
        .await
        .unwrap();
    assert_eq!(asked_of(&knowing.red).len(), 0);
    assert!(!asked_of(&knowing.hub).is_empty());
}

#[tokio::test]
async fn what_no_domain_shows_is_not_found_at_the_hub() {
    let family = family(Scene::empty()).await;
    let absent = family
        .resolve("civitai:999999", &token())
        .await
        .unwrap_err();
    family
        .red
        .order(modelferry_fixtures::Fault::status(451).on(Site::Civitai));
    let refused = family.resolve("civitai:4384", &token()).await.unwrap_err();
    let hub = SafeUrl::parse(&family.hub.civitai_url())
        .unwrap()
        .authority();
    for error in [absent, refused] {
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains(&hub), "{error}");
    }
    // Where the source names the domain, its word counts.
    let named = family
        .resolve("https://civitai.red/models/4384", &token())
        .await
        .unwrap_err();
    assert_eq!(named.kind, ErrorKind::RegionBlocked);
}

#[test]
fn only_the_hub_itself_has_sister_domains() {
    let of = |endpoint: &str| Sisters::of(&SafeUrl::parse(endpoint).unwrap());
    let red = of("https://civitai.com")
        .base(SisterHost::Red)
        .map(ToString::to_string);
    assert_eq!(red.as_deref(), Some("https://civitai.red/"));
    for stand_in in [
        "http://127.0.0.1:9000",
        "https://civitai.red",
        "http://civitai.com",
    ] {
        assert!(of(stand_in).base(SisterHost::Red).is_none(), "{stand_in}");
    }
}

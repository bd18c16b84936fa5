//! The sister domains, which only this crate can put somewhere else.

use modelferry_fixtures::{Hub, Scene, Seen, Site};

use super::*;
use crate::http::HttpSettings;

/// A hub that shows nothing, and a sister domain that does.
struct Family {
    hub: Hub,
    red: Hub,
    civitai: Civitai,
}

async fn family(hub: Scene) -> Family {
    let hub = Hub::start(hub).await.unwrap();
    let red = Hub::start(Scene::standard()).await.unwrap();
    let url = |hub: &Hub| SafeUrl::parse(&hub.civitai_url()).unwrap();
    let http = Http::new(HttpSettings {
        allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
        endpoints: vec![url(&hub)],
        ..HttpSettings::default()
    });
    let sisters = Sisters(vec![(SisterHost::Red, url(&red))]);
    let civitai = Civitai::with_sisters(url(&hub), sisters, http.unwrap());
    Family { hub, red, civitai }
}

impl Family {
    async fn resolve(&self, source: &str, auth: &Auth) -> Result<Plan, ProviderError> {
        let reference = self.civitai.parse(source).unwrap().unwrap();
        self.civitai.resolve(&reference, auth).await
    }

    fn asked_of_red(&self) -> Vec<Seen> {
        let requests = self.red.requests();
        requests
            .into_iter()
            .filter(|seen| seen.site == Site::Civitai)
            .collect()
    }
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
    let plan = family
        .resolve("https://civitai.red/models/4384", &token())
        .await
        .unwrap();
    assert_eq!(
        plan.page,
        format!(
            "{}/models/4384?modelVersionId=128713",
            family.red.civitai_url()
        )
    );
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.code == "sister_domain")
    );
    let body = family
        .civitai
        .open(&plan.artifacts[0], &ByteRange::whole(), &token())
        .await;
    assert!(body.unwrap().total.is_some());
    assert!(
        family
            .asked_of_red()
            .iter()
            .any(|seen| seen.path.contains("/download/"))
    );
    for seen in family.asked_of_red() {
        assert!(!seen.has_authorization(), "{seen:?}");
    }
}

#[tokio::test]
async fn a_sister_domain_is_left_alone_when_the_hub_knows_or_the_source_does_not_name_it() {
    let knowing = family(Scene::standard()).await;
    knowing
        .resolve("https://civitai.red/models/4384", &token())
        .await
        .unwrap();
    let unnamed = family(Scene::empty()).await;
    let error = unnamed
        .resolve("https://civitai.com/models/4384", &token())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let other = family(Scene::empty()).await;
    let error = other
        .resolve("https://civitai.green/models/4384", &token())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    for family in [knowing, unnamed, other] {
        assert_eq!(family.asked_of_red().len(), 0);
        assert!(!family.hub.requests().is_empty());
    }
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

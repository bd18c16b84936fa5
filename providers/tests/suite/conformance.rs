//! The promises of `Provider`, kept by all three.

use async_trait::async_trait;
use modelferry_fixtures::{Fault, Hub, PlainFile, Scene, Site};
use modelferry_providers::auth::HostCredential;
use modelferry_providers::conformance::{Factory, Seen};
use modelferry_providers::http::HttpSettings;
use modelferry_providers::{
    Auth, Civitai, Http, HuggingFace, Other, Provider, ProviderKind, RelPath, SafeUrl, Token,
};

use super::raw::quick;

mod huggingface {
    modelferry_providers::conformance!(super::World<super::OnHuggingFace>);
}
mod civitai {
    modelferry_providers::conformance!(super::World<super::OnCivitai>);
}
mod other {
    modelferry_providers::conformance!(super::World<super::OnFiles>);
}

/// The fixtures hub, with one of the providers made to speak to it.
struct World<S> {
    hub: Hub,
    provider: Box<dyn Provider>,
    site: S,
}

/// What differs between the three.
trait Place: Default + Send + Sync + 'static {
    fn scene() -> Scene {
        Scene::standard()
    }
    fn provider(&self, hub: &Hub) -> Box<dyn Provider>;
    fn site(&self) -> Site;
    fn auth(&self, hub: &Hub, token: &str) -> Auth;
    fn good(&self, hub: &Hub) -> String;
    fn gated(&self, hub: &Hub) -> String;
    fn missing(&self, hub: &Hub) -> String;
    fn malformed(&self) -> Vec<&'static str>;
    fn foreign(&self) -> Vec<&'static str>;
    fn several(&self, hub: &Hub) -> String {
        self.good(hub)
    }
    fn with_token(&self) -> Option<(String, String)> {
        None
    }
    fn content(&self, hub: &Hub, source: &str, path: &RelPath) -> Vec<u8>;
    fn renew(&self, _: &Hub) {}
}

#[async_trait]
impl<S: Place> Factory for World<S> {
    async fn start() -> Self {
        let site = S::default();
        let hub = Hub::start(S::scene()).await.unwrap();
        site.renew(&hub);
        let provider = site.provider(&hub);
        Self {
            hub,
            provider,
            site,
        }
    }

    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    fn auth(&self) -> Auth {
        let token = match self.provider.kind() {
            ProviderKind::HuggingFace => "hf_good",
            ProviderKind::Civitai => "civitai_good",
            ProviderKind::Other => "ferry:s3cret",
        };
        self.site.auth(&self.hub, token)
    }

    fn wrong_auth(&self) -> Auth {
        self.site.auth(&self.hub, "ferry:wr0ng-t0ken")
    }

    fn good(&self) -> String {
        self.site.good(&self.hub)
    }

    fn gated(&self) -> String {
        self.site.gated(&self.hub)
    }

    fn missing(&self) -> String {
        self.site.missing(&self.hub)
    }

    fn malformed(&self) -> Vec<String> {
        self.site.malformed().into_iter().map(Into::into).collect()
    }

    fn foreign(&self) -> Vec<String> {
        self.site.foreign().into_iter().map(Into::into).collect()
    }

    fn hostile(&self) -> Vec<String> {
        let mut sources = self.malformed();
        for source in [self.good(), self.several(), self.gated()] {
            for bad in [
                "/../x",
                "/%2e%2e/x",
                "/..%2Fx",
                "\\..\\x",
                "?x=../y",
                "@..",
                "\0",
                "\r\nX: y",
                "\u{1b}[31m",
            ] {
                sources.push(format!("{source}{bad}"));
            }
            sources.push(source.replacen("://", "://user:pw@", 1));
            sources.push(format!("user:pw@{source}"));
        }
        sources
    }

    fn with_token(&self) -> Option<(String, String)> {
        self.site.with_token()
    }

    fn several(&self) -> String {
        self.site.several(&self.hub)
    }

    fn content(&self, source: &str, path: &RelPath) -> Vec<u8> {
        self.site.content(&self.hub, source, path)
    }

    fn expire_links(&self) {
        self.hub.expire_links();
        self.site.renew(&self.hub);
    }

    fn change_content(&self) {
        self.hub.order(Fault::change_file());
    }

    fn ignore_ranges(&self) {
        self.hub.order(Fault::ignore_range());
    }

    fn cut_bodies(&self, after: u64) {
        self.hub.order(Fault::cut(after));
    }

    fn requests(&self) -> Vec<Seen> {
        let home = self.site.site();
        let seen = self.hub.requests().into_iter().map(|seen| Seen {
            at_home: seen.site == home,
            target: format!("{}?{}", seen.path, seen.query),
            authorization: seen.authorization,
            bytes_sent: seen.bytes_sent,
        });
        seen.collect()
    }

    fn forget_requests(&self) {
        self.hub.forget_requests();
    }
}

/// Reaches the hub as its endpoint, and its storage as an allowed network.
fn http(endpoint: &SafeUrl) -> Http {
    Http::new(HttpSettings {
        endpoints: vec![endpoint.clone()],
        ..quick()
    })
    .unwrap()
}

fn url(text: &str) -> SafeUrl {
    SafeUrl::parse(text).unwrap()
}

#[derive(Default)]
struct OnHuggingFace;

impl Place for OnHuggingFace {
    fn provider(&self, hub: &Hub) -> Box<dyn Provider> {
        let endpoint = url(&hub.huggingface_url());
        Box::new(HuggingFace::new(endpoint.clone(), http(&endpoint)))
    }

    fn site(&self) -> Site {
        Site::HuggingFace
    }

    fn auth(&self, _: &Hub, token: &str) -> Auth {
        Auth {
            huggingface: Token::new(token),
            ..Auth::anonymous()
        }
    }

    fn good(&self, _: &Hub) -> String {
        "hf://acme/tiny/model.safetensors".into()
    }

    fn several(&self, _: &Hub) -> String {
        "acme/tiny".into()
    }

    fn gated(&self, _: &Hub) -> String {
        "acme/gated".into()
    }

    fn missing(&self, _: &Hub) -> String {
        "acme/nothing-here".into()
    }

    fn malformed(&self) -> Vec<&'static str> {
        vec![
            "hf://",
            "hf://acme/tiny/../x",
            "https://huggingface.co/acme/tiny/resolve/main/../x",
        ]
    }

    fn foreign(&self) -> Vec<&'static str> {
        vec![
            "civitai:4384",
            "urn:air:sd1:checkpoint:civitai:4384@128713",
            "https://example.com/model.safetensors",
        ]
    }

    fn content(&self, hub: &Hub, source: &str, path: &RelPath) -> Vec<u8> {
        let id = if source.contains("tiny") {
            "acme/tiny"
        } else {
            source
        };
        let scene = hub.scene();
        let tree = &scene.find_repo(id).unwrap().main;
        let mut files = tree.files.iter();
        let file =
            files.find(|file| file.path == path.as_str() || file.path.ends_with(path.name()));
        file.unwrap().content.to_vec()
    }
}

#[derive(Default)]
struct OnCivitai;

impl Place for OnCivitai {
    fn provider(&self, hub: &Hub) -> Box<dyn Provider> {
        let endpoint = url(&hub.civitai_url());
        Box::new(Civitai::new(endpoint.clone(), http(&endpoint)))
    }

    fn site(&self) -> Site {
        Site::Civitai
    }

    fn auth(&self, _: &Hub, token: &str) -> Auth {
        Auth {
            civitai: Token::new(token),
            ..Auth::anonymous()
        }
    }

    fn good(&self, _: &Hub) -> String {
        "civitai:328553@368189".into()
    }

    fn gated(&self, _: &Hub) -> String {
        "civitai:5003@50030".into()
    }

    fn several(&self, _: &Hub) -> String {
        "civitai:4384@128713".into()
    }

    fn with_token(&self) -> Option<(String, String)> {
        let source = "https://civitai.com/api/download/models/128713?token=t0psecret&type=Model";
        Some((source.into(), "t0psecret".into()))
    }

    fn missing(&self, _: &Hub) -> String {
        "civitai:999999".into()
    }

    fn malformed(&self) -> Vec<&'static str> {
        vec![
            "civitai:",
            "civitai:abc",
            "urn:air:sd1:checkpoint:civitai:x@y",
            "https://civitai.com/models/x",
        ]
    }

    fn foreign(&self) -> Vec<&'static str> {
        vec![
            "acme/tiny",
            "hf://acme/tiny",
            "https://example.com/model.safetensors",
        ]
    }

    fn content(&self, hub: &Hub, source: &str, _: &RelPath) -> Vec<u8> {
        let version = source.rsplit('@').next().unwrap().parse().unwrap();
        let scene = hub.scene();
        let (_, version) = scene.find_version(version).unwrap();
        version.files[0].content.to_vec()
    }
}

/// The good file is behind a redirect to a link that the storage signed.
#[derive(Default)]
struct OnFiles;

const SIGNED: &str = "/presigned.bin";

impl Place for OnFiles {
    fn scene() -> Scene {
        let content = modelferry_fixtures::Content::seeded(90, 200_001);
        Scene::standard()
            .file(PlainFile::new(SIGNED, content).presigned())
            .file(PlainFile::redirect("/good.bin", 302, "/replaced at once"))
    }

    fn provider(&self, _: &Hub) -> Box<dyn Provider> {
        Box::new(Other::new(Http::new(quick()).unwrap()))
    }

    fn site(&self) -> Site {
        Site::Files
    }

    fn auth(&self, hub: &Hub, token: &str) -> Auth {
        let mut auth = Auth::anonymous();
        let credential = HostCredential::Basic(Token::new(token).unwrap());
        auth.hosts
            .insert(url(&hub.files_url()).authority(), credential);
        auth
    }

    fn good(&self, hub: &Hub) -> String {
        format!("{}/good.bin", hub.files_url())
    }

    fn gated(&self, hub: &Hub) -> String {
        format!("{}/basic.bin", hub.files_url())
    }

    fn missing(&self, hub: &Hub) -> String {
        format!("{}/nothing.bin", hub.files_url())
    }

    fn malformed(&self) -> Vec<&'static str> {
        vec![
            "https://",
            "https://user:pw@example.com/x",
            "ftp://example.com/x",
            "http://a b/",
        ]
    }

    fn foreign(&self) -> Vec<&'static str> {
        vec![
            "acme/tiny",
            "hf://acme/tiny",
            "civitai:4384",
            "urn:air:sd1:checkpoint:civitai:4384@128713",
        ]
    }

    fn content(&self, hub: &Hub, source: &str, _: &RelPath) -> Vec<u8> {
        let path = if source.ends_with("good.bin") {
            SIGNED
        } else {
            "/basic.bin"
        };
        hub.scene().find_file(path).unwrap().content.to_vec()
    }

    fn renew(&self, hub: &Hub) {
        let link = hub.signed_url(SIGNED);
        hub.change_scene(|scene| {
            scene.file_mut("/good.bin").unwrap().redirect = Some((302, link));
        });
    }
}

//! The choice of a file beside the hub's own, over many versions made at random.

use modelferry_fixtures::{CivitaiFile, CivitaiModel, CivitaiVersion, Content, Scene};
use modelferry_providers::http::Request;
use modelferry_providers::{Artifact, Auth, Http, Origin, SafeUrl, Selection};
use serde_json::Value;

use super::{Harbour, harbour, http};

/// Versions made.
const VERSIONS: u64 = 60;

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);

impl Dice {
    /// From 0 to `sides`, which is left out.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.roll(texts.len() as u64) as usize]
    }
}

/// A file with some metadata as the hub likes it, some not, and some unsaid:
/// null or missing, the same for all files of a version.
fn file(dice: &mut Dice, id: u64, says_null: bool) -> CivitaiFile {
    let kinds = [
        "Model",
        "Model",
        "Model",
        "Pruned Model",
        "UNet",
        "VAE",
        "Config",
    ];
    let name = dice.one_of(&["a.safetensors", "b.ckpt", "c.gguf"]);
    let mut file = CivitaiFile::new(id, name, Content::seeded(id, 700)).kind(dice.one_of(&kinds));
    for (key, values) in [
        ("size", ["full", "pruned"]),
        ("fp", ["fp16", "fp32"]),
        ("quantType", ["Q4_K_M", "Q8_0"]),
    ] {
        match dice.roll(4) {
            0 if says_null => drop(file.metadata.insert(key.into(), Value::Null)),
            0 => file = file.without_meta(key),
            _ => file = file.meta(key, dice.one_of(&values)),
        }
    }
    file.is_public = dice.roll(5) > 0;
    file
}

fn scene(dice: &mut Dice) -> Scene {
    (1..=VERSIONS).fold(Scene::empty(), |scene, id| {
        let count = 1 + dice.roll(5);
        let says_null = dice.roll(2) == 0;
        let files = (0..count).map(|nth| file(dice, id * 10 + nth, says_null));
        let version = files.fold(CivitaiVersion::new(id, "v1"), CivitaiVersion::file);
        scene.model(CivitaiModel::new(id, "Boat", "LORA").version(version))
    })
}

/// The hub, asked for its own choice.
struct Oracle {
    base: String,
    http: Http,
}

impl Oracle {
    fn of(harbour: &Harbour) -> Self {
        let base = harbour.hub.civitai_url();
        let endpoint = SafeUrl::parse(&base).unwrap();
        let http = http(vec![endpoint]);
        Self { base, http }
    }

    /// What the download endpoint answers a query with: a file's place in storage, or `None` for 404.
    async fn choice(&self, version: u64, query: &str) -> Option<String> {
        let url = format!("{}/api/download/models/{version}?{query}", self.base);
        let request = Request::get(SafeUrl::parse(&url).unwrap());
        let answer = self.http.send(&request).await.unwrap();
        let target = answer.redirect().unwrap()?;
        Some(target.as_url().path().to_owned())
    }
}

fn file_id(file: &Artifact) -> u32 {
    match &file.origin {
        Origin::Civitai(origin) => origin.file.unwrap().get(),
        other => panic!("{other:?}"),
    }
}

/// A file is chosen as the hub does, or not at all. Returns how many were, of how many.
async fn compared(harbour: &Harbour, queries: impl Fn(u64) -> Vec<String>) -> (usize, usize) {
    let (mut agreed, mut asked) = (0, 0);
    let oracle = Oracle::of(harbour);
    for version in 1..=VERSIONS {
        for query in queries(version) {
            let source = format!("https://civitai.com/api/download/models/{version}?{query}");
            let auth = Auth::anonymous();
            let plan = harbour.try_plan(&source, Selection::default(), &auth).await;
            let Some(theirs) = oracle.choice(version, &query).await else {
                continue;
            };
            asked += 1;
            // Where the hub's answers don't tell, the user is asked.
            let Ok(plan) = plan else {
                continue;
            };
            let ours = format!("fileId={}", file_id(&plan.artifacts[0]));
            let ours = oracle.choice(version, &ours).await.unwrap();
            assert_eq!(ours, theirs, "{source}");
            agreed += 1;
        }
    }
    (agreed, asked)
}

#[tokio::test]
async fn by_default_it_is_the_file_that_the_download_button_gives() {
    let harbour = harbour(scene(&mut Dice(1))).await;
    let (agreed, asked) = compared(&harbour, |_| vec![String::new()]).await;
    assert!(asked > 40, "{asked}");
    assert!(agreed * 10 > asked * 9, "{agreed} of {asked}");
}

#[tokio::test]
async fn with_filters_it_is_the_file_that_the_hub_gives_where_it_gives_one() {
    let harbour = harbour(scene(&mut Dice(3))).await;
    let scene = harbour.hub.scene();
    // Each file's own words, as its download URL has them; and each word alone.
    let queries = |version| {
        let (_, version) = scene.find_version(version).unwrap();
        let mut queries = Vec::new();
        for file in version.files.iter().filter(|file| file.is_public) {
            let mut words = vec![format!("type={}", file.kind.replace(' ', "%20"))];
            for key in ["format", "size", "fp", "quantType"] {
                words.extend(file.meta_value(key).map(|value| format!("{key}={value}")));
            }
            queries.push(words.join("&"));
            queries.extend(words);
        }
        queries.sort();
        queries.dedup();
        queries.truncate(4);
        queries
    };
    let (agreed, asked) = compared(&harbour, queries).await;
    assert!(asked > 80, "{asked}");
    assert!(agreed * 10 > asked * 8, "{agreed} of {asked}");
}

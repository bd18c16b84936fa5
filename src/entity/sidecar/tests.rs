use std::fs;

use modelferry_fixtures::{
    CivitaiFile, CivitaiModel, CivitaiVersion, Content, Fault, Hub, PlainFile, Scene, Site,
};
use modelferry_providers::http::HttpSettings;
use modelferry_providers::{Auth, Http, SafeUrl, Selection, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR, and so on";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF, and so on";

/// A hub, a library and what imports from one into the other.
struct Quay {
    hub: Hub,
    providers: Providers,
    root: TempDir,
}

/// A version of two weights files and a configuration, with these pictures.
async fn quay(pictures: &[(&str, &[u8])]) -> Quay {
    let file = |id, name: &str| CivitaiFile::new(id, name, Content::safetensors(id, 3000));
    let version = CivitaiVersion::new(2, "v1")
        .file(file(5, "boat.safetensors"))
        .file(file(6, "raft.safetensors"))
        .file(file(7, "boat.yaml").kind("Config"));
    let model = CivitaiModel::new(1, "Boat", "LORA").version(version);
    let files = pictures
        .iter()
        .map(|(path, bytes)| PlainFile::new(path, Content::bytes(bytes.to_vec())));
    let hub = Hub::start(files.fold(Scene::empty().model(model), Scene::file))
        .await
        .unwrap();
    let base = hub.files_url();
    let images: Vec<Value> = pictures
        .iter()
        .map(|(path, _)| json!({"url": format!("{base}{path}"), "nsfwLevel": 1, "type": "image"}))
        .collect();
    hub.change_scene(|scene| {
        let version = scene.version_mut(2).unwrap();
        version.patch.insert("images".into(), json!(images));
    });
    let url = |text: String| SafeUrl::parse(&text).unwrap();
    let http = Http::new(HttpSettings {
        allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
        ..HttpSettings::default()
    });
    let settings = Settings {
        huggingface_endpoint: url(hub.huggingface_url()),
        civitai_endpoint: url(hub.civitai_url()),
    };
    Quay {
        providers: Providers::new(&settings, &http.unwrap()),
        hub,
        root: TempDir::new().unwrap(),
    }
}

impl Quay {
    async fn plan(&self) -> Plan {
        let mut reference = self.providers.parse("civitai:1").unwrap();
        reference.selection = Selection {
            all_files: true,
            ..Selection::default()
        };
        let provider = self.providers.of(reference.provider());
        provider
            .resolve(&reference, &Auth::anonymous())
            .await
            .unwrap()
    }

    async fn write(&self, plan: &Plan) -> Troubles {
        let files: Vec<EntityFile> = plan
            .artifacts
            .iter()
            .map(|artifact| EntityFile {
                path: artifact.path.to_string(),
                size: 3000,
                sha256: artifact.digests.sha256.unwrap(),
            })
            .collect();
        write(self.root.path(), plan, &files, &self.providers).await
    }

    fn library(&self, plan: &Plan) -> Vec<String> {
        let entries = fs::read_dir(library_folder(self.root.path(), plan));
        let names = entries.into_iter().flatten();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn read(&self, plan: &Plan, name: &str) -> Vec<u8> {
        fs::read(library_folder(self.root.path(), plan).join(name)).unwrap()
    }
}

#[tokio::test]
async fn weights_get_an_info_that_names_them_and_a_preview() {
    let quay = quay(&[("/1", PNG)]).await;
    let plan = quay.plan().await;
    assert_eq!(quay.write(&plan).await, Troubles::new());
    assert_eq!(
        quay.library(&plan),
        [
            "boat.civitai.info",
            "boat.preview.png",
            "raft.civitai.info",
            "raft.preview.png"
        ]
    );
    assert_eq!(quay.read(&plan, "raft.preview.png"), PNG);
    for (stem, id) in [("boat", 5), ("raft", 6)] {
        let info: Value =
            serde_json::from_slice(&quay.read(&plan, &format!("{stem}.civitai.info"))).unwrap();
        assert_eq!((&info["id"], &info["modelId"]), (&json!(2), &json!(1)));
        let files = info["files"].as_array().unwrap();
        let primary: Vec<&Value> = files
            .iter()
            .filter(|file| file["primary"] == true)
            .collect();
        assert_eq!(primary.len(), 1, "{info:#}");
        assert_eq!(primary[0]["id"], json!(id));
        let sha256 = Content::safetensors(id, 3000).sha256().to_uppercase();
        assert_eq!(primary[0]["hashes"]["SHA256"], json!(sha256));
    }
    // One picture for both, asked for once.
    let asked = quay.hub.requests();
    let pictures = asked.iter().filter(|seen| seen.site == Site::Files);
    assert_eq!(pictures.count(), 1);
}

#[tokio::test]
async fn a_preview_that_a_person_chose_stays_and_is_not_fetched() {
    let quay = quay(&[("/1", JPEG)]).await;
    let plan = quay.plan().await;
    let folder = library_folder(quay.root.path(), &plan);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("boat.preview.webp"), "mine").unwrap();
    assert_eq!(quay.write(&plan).await, Troubles::new());
    assert_eq!(quay.read(&plan, "boat.preview.webp"), b"mine");
    assert!(
        !quay
            .library(&plan)
            .contains(&"boat.preview.jpeg".to_owned())
    );
    assert_eq!(quay.read(&plan, "raft.preview.jpeg"), JPEG);
    quay.hub.forget_requests();
    assert_eq!(quay.write(&plan).await, Troubles::new());
    assert!(quay.hub.requests().is_empty());
}

#[tokio::test]
async fn a_picture_that_is_none_is_passed_over_for_the_next() {
    let page = b"<html><title>Just a moment...</title>";
    let quay = quay(&[("/page.png", page), ("/2", JPEG)]).await;
    let plan = quay.plan().await;
    assert_eq!(quay.write(&plan).await, Troubles::new());
    assert_eq!(quay.read(&plan, "boat.preview.jpeg"), JPEG);
}

#[tokio::test]
async fn a_model_goes_without_a_preview_that_can_not_be_had_and_says_why() {
    let faults = [
        (Fault::status(404), "has no such file"),
        (Fault::html("Blocked"), "is no PNG, JPEG or WebP picture"),
        (Fault::claim_length(17 << 20), "is larger than 16 MiB"),
        (Fault::cut(20), "broke off"),
        (Fault::endless().body("\u{89}"), "is no PNG"),
    ];
    for (fault, said) in faults {
        let quay = quay(&[("/1", PNG)]).await;
        let plan = quay.plan().await;
        quay.hub.order(fault.on(Site::Files));
        let troubles = quay.write(&plan).await;
        let [trouble] = troubles.as_slice() else {
            panic!("{troubles:?}");
        };
        assert!(trouble.starts_with("no preview of Boat v1: "), "{trouble}");
        assert!(trouble.contains(said), "{trouble}");
        assert_eq!(
            quay.library(&plan),
            ["boat.civitai.info", "raft.civitai.info"]
        );
    }
}

#[tokio::test]
async fn a_picture_at_an_address_that_is_not_public_is_not_asked_for() {
    let quay = quay(&[("/1", PNG)]).await;
    let plan = quay.plan().await;
    let settings = Settings {
        huggingface_endpoint: SafeUrl::parse("https://huggingface.co").unwrap(),
        civitai_endpoint: SafeUrl::parse("https://civitai.com").unwrap(),
    };
    let strict = Quay {
        providers: Providers::new(&settings, &Http::new(HttpSettings::default()).unwrap()),
        ..quay
    };
    strict.hub.forget_requests();
    let troubles = strict.write(&plan).await;
    assert!(troubles[0].contains("no preview"), "{troubles:?}");
    assert!(strict.hub.requests().is_empty());
}

#[tokio::test]
async fn what_is_no_model_of_the_hub_is_told_to_have_no_card() {
    let quay = quay(&[]).await;
    let mut plan = quay.plan().await;
    assert_eq!(quay.write(&plan).await, Troubles::new());
    plan.card = None;
    let troubles = quay.write(&plan).await;
    assert!(troubles[0].contains("has no card"), "{troubles:?}");
}

#[tokio::test]
async fn a_file_of_the_entity_is_never_written_over() {
    let quay = quay(&[("/1", PNG)]).await;
    let mut plan = quay.plan().await;
    plan.artifacts[1].path = RelPath::parse("BOAT.civitai.info").unwrap();
    let troubles = quay.write(&plan).await;
    assert!(troubles[0].contains("too long or taken"), "{troubles:?}");
    assert!(
        !quay
            .library(&plan)
            .contains(&"boat.civitai.info".to_owned())
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_librarys_folders_is_not_followed() {
    let quay = quay(&[("/1", PNG)]).await;
    let plan = quay.plan().await;
    let elsewhere = TempDir::new().unwrap();
    let library = quay.root.path().join("library");
    fs::create_dir_all(&library).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), library.join("civitai")).unwrap();
    let troubles = quay.write(&plan).await;
    assert!(troubles[0].contains("can't write"), "{troubles:?}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

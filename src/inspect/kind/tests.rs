use modelferry_fixtures::build::{header::gguf, media};

use super::{Kind, settle};
use crate::inspect::{Finding, RefusalReason, tests::look};

fn weights() -> (&'static str, Finding) {
    ("model.gguf", look("model.gguf", &gguf().finish()).unwrap())
}

fn picture() -> (&'static str, Finding) {
    ("a.png", look("a.png", &media::png(1, 1)).unwrap())
}

fn recording() -> (&'static str, Finding) {
    ("a.wav", look("a.wav", &media::wav(8)).unwrap())
}

fn video() -> (&'static str, Finding) {
    ("a.mp4", look("a.mp4", &media::mp4()).unwrap())
}

fn scene() -> (&'static str, Finding) {
    let glb = media::glb(r#"{"asset":{"version":"2.0"}}"#, 0);
    ("a.glb", look("a.glb", &glb).unwrap())
}

fn prose() -> (&'static str, Finding) {
    ("README.md", look("README.md", b"# Hello").unwrap())
}

fn settled(kind: Option<Kind>, files: &[(&str, Finding)]) -> Result<Option<Kind>, String> {
    settle(kind, files.iter().map(|(path, finding)| (*path, finding))).map_err(|refusal| {
        assert_eq!(refusal.reason, RefusalReason::KindMismatch);
        format!(
            "{refusal} | {}",
            refusal.hint.as_deref().unwrap_or_default()
        )
    })
}

#[test]
fn a_kind_is_told_from_the_files() {
    for (files, kind) in [
        (vec![weights(), prose(), picture()], Some(Kind::Model)),
        (vec![picture(), prose()], Some(Kind::Image)),
        (vec![recording()], Some(Kind::Audio)),
        (vec![video()], Some(Kind::Video)),
        (vec![scene(), picture()], Some(Kind::ThreeD)),
        (vec![prose()], Some(Kind::Text)),
        (vec![picture(), video()], None),
        (vec![], None),
    ] {
        assert_eq!(settled(None, &files), Ok(kind), "{files:?}");
    }
}

#[test]
fn each_kind_takes_its_files_and_what_may_lie_beside_them() {
    for (kind, files) in [
        (Kind::Model, vec![weights(), picture(), prose()]),
        (Kind::Image, vec![picture(), prose()]),
        (Kind::Audio, vec![recording(), prose()]),
        (Kind::Video, vec![video()]),
        (Kind::ThreeD, vec![scene(), picture(), prose()]),
        (Kind::Avatar, vec![picture()]),
        (Kind::Avatar, vec![scene(), picture()]),
        (Kind::Text, vec![prose()]),
        (Kind::Asset, vec![weights(), video(), prose()]),
        (Kind::Asset, vec![]),
    ] {
        assert_eq!(settled(Some(kind), &files), Ok(Some(kind)), "{files:?}");
    }
}

#[test]
fn a_mismatch_names_what_was_asked_for_and_what_is_there() {
    let error = settled(Some(Kind::Image), &[weights()]).unwrap_err();
    assert!(
        error.contains("kind `image` was asked for")
            && error.contains("`model.gguf` is a GGUF file"),
        "{error}"
    );
    assert!(error.contains("ask for kind `model`"), "{error}");
    let error = settled(Some(Kind::Model), &[picture(), prose()]).unwrap_err();
    assert!(
        error.contains("not a file of weights") && error.contains("`a.png` is a PNG image"),
        "{error}"
    );
    assert!(error.contains("ask for kind `image`"), "{error}");
    let error = settled(Some(Kind::Image), &[picture(), video()]).unwrap_err();
    assert!(error.contains("`a.mp4` is an MP4 video"), "{error}");
    assert!(settled(Some(Kind::Model), &[]).is_err());
}

#[test]
fn kinds_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    assert!("Model".parse::<Kind>().is_err());
    assert!("".parse::<Kind>().is_err());
}

mod props;
mod refused;

use super::super::filter::{FileFilter, FileFormat, FileSize};
use super::*;

const SHA: &str = "a5f58eb1c33616c4f06bca55af39876a7b817913cd829caa8acb111b770c85cc";

fn endpoint() -> SafeUrl {
    SafeUrl::parse("https://civitai.com").unwrap()
}

fn read(text: &str) -> Option<Result<CivitaiRef, SourceError>> {
    Some(
        parse(text, &endpoint())?.map(|reference| match reference.locator {
            Locator::Civitai(civitai) => civitai,
            other => panic!("{text} is read as {other:?}"),
        }),
    )
}

fn good(text: &str) -> CivitaiRef {
    read(text)
        .unwrap_or_else(|| panic!("{text} is not claimed"))
        .unwrap()
}

fn bad(text: &str) -> SourceError {
    read(text)
        .unwrap_or_else(|| panic!("{text} is not claimed"))
        .unwrap_err()
}

fn id_of(number: u64) -> CivitaiId {
    CivitaiId::new(number).unwrap()
}

fn model(model: u64) -> CivitaiRef {
    CivitaiRef::new(CivitaiTarget::Model(id_of(model)))
}

fn version(version: u64) -> CivitaiRef {
    CivitaiRef::new(CivitaiTarget::Version {
        model: None,
        version: id_of(version),
    })
}

fn of_model(model: u64, version: u64) -> CivitaiRef {
    let model = Some(id_of(model));
    CivitaiRef::new(CivitaiTarget::Version {
        model,
        version: id_of(version),
    })
}

fn file(file: u64, of: CivitaiRef) -> CivitaiRef {
    CivitaiRef {
        file: Some(id_of(file)),
        ..of
    }
}

fn at(host: SisterHost, of: CivitaiRef) -> CivitaiRef {
    CivitaiRef {
        host: Some(host),
        ..of
    }
}

fn hinted(hint: &str, of: CivitaiRef) -> CivitaiRef {
    CivitaiRef {
        format_hint: Some(ShortText::new("format", hint).unwrap()),
        ..of
    }
}

fn hashed(kind: Option<HashKind>, hex: &str) -> CivitaiRef {
    CivitaiRef::new(CivitaiTarget::Hash(ModelHash::new(kind, hex).unwrap()))
}

fn filtered(filter: FileFilter) -> CivitaiRef {
    CivitaiRef {
        filter,
        ..version(128_713)
    }
}

#[test]
fn pages_name_a_model_or_a_version() {
    use SisterHost::{Blue, Green, Red};
    let cases = [
        ("https://civitai.com/models/4384", model(4384)),
        ("https://civitai.com/models/4384/dreamshaper", model(4384)),
        ("https://civitai.com/models/4384/dreamshaper/", model(4384)),
        ("civitai.com/models/4384", model(4384)),
        ("http://CIVITAI.COM/models/4384", model(4384)),
        ("  https://civitai.com/models/4384\n", model(4384)),
        (
            "https://civitai.com/models/4384?modelVersionId=128713",
            of_model(4384, 128_713),
        ),
        (
            "https://www.civitai.com/models/4384/dreamshaper?modelVersionId=128713#comments",
            of_model(4384, 128_713),
        ),
        (
            "civitai.red/models/4384?modelVersionId=128713",
            at(Red, of_model(4384, 128_713)),
        ),
        (
            "civitai.green/models/4384/dreamshaper",
            at(Green, model(4384)),
        ),
        ("https://civitai.blue/models/4384", at(Blue, model(4384))),
        (
            "https://civitai.com/models/4384?modelVersionId=",
            model(4384),
        ),
        (
            "https://civitai.com/models/4384/model-versions/128713/wizard",
            of_model(4384, 128_713),
        ),
        (
            "https://civitai.com/models/4384/model-versions/128713/edit",
            of_model(4384, 128_713),
        ),
        (
            "https://civitai.com/models/4384/model-versions/128713",
            of_model(4384, 128_713),
        ),
        (
            "https://civitai.com/model-versions/128713",
            version(128_713),
        ),
        (
            "https://civitai.com/model-versions/128713/",
            version(128_713),
        ),
        (
            "https://civitai.com/models/license/128713",
            version(128_713),
        ),
        (
            "https://civitai.com/models/1?u=https://evil.example/",
            model(1),
        ),
        ("civitai.com/models/1?u=https://evil.example/", model(1)),
        ("https://civitai.com./models/4384", model(4384)),
    ];
    for (text, expected) in cases {
        assert_eq!(good(text), expected, "{text}");
    }
}

#[test]
fn api_urls_name_a_model_a_version_a_file_or_a_hash() {
    let cases = [
        ("https://civitai.com/api/v1/models/4384", model(4384)),
        (
            "https://civitai.com/api/v1/model-versions/128713",
            version(128_713),
        ),
        (
            "https://civitai.com/api/v1/model-versions/mini/128713",
            version(128_713),
        ),
        (
            "https://civitai.com/api/v1/model-versions/mini/128713?modelFileId=93208",
            file(93_208, version(128_713)),
        ),
        (
            "https://civitai.com/api/v1/model-versions/by-hash/879db523c3",
            hashed(None, "879DB523C3"),
        ),
        (
            &format!("https://civitai.com/api/v1/model-versions/by-hash/{SHA}"),
            hashed(None, SHA),
        ),
        (SHA, hashed(None, SHA)),
        (&SHA.to_uppercase(), hashed(None, SHA)),
        (
            &format!("civitai:sha256:{SHA}"),
            hashed(Some(HashKind::Sha256), SHA),
        ),
        (
            &format!("CIVITAI:SHA256:{SHA}"),
            hashed(Some(HashKind::Sha256), SHA),
        ),
        (
            &format!("civitai:blake3:{SHA}"),
            hashed(Some(HashKind::Blake3), SHA),
        ),
        (
            "civitai:autov2:879db523c3",
            hashed(Some(HashKind::AutoV2), "879DB523C3"),
        ),
        (
            "civitai:AutoV1:879db523",
            hashed(Some(HashKind::AutoV1), "879DB523"),
        ),
        (
            "civitai:AutoV3:879db523c300",
            hashed(Some(HashKind::AutoV3), "879DB523C300"),
        ),
        (
            "civitai:crc32:879db523",
            hashed(Some(HashKind::Crc32), "879DB523"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(good(text), expected, "{text}");
    }
}

#[test]
fn download_urls_name_a_file_by_id_or_by_filters() {
    let short = |text| ShortText::new("fp", text).ok();
    let weights = FileFilter {
        file_type: Some(FileType::Model),
        format: Some(FileFormat::SafeTensor),
        size: Some(FileSize::Pruned),
        fp: short("fp16"),
        quant_type: None,
    };
    let gguf = FileFilter {
        file_type: Some(FileType::Model),
        format: Some(FileFormat::Gguf),
        size: Some(FileSize::Full),
        fp: None,
        quant_type: short("Q4_K_M"),
    };
    let typed = |file_type| FileFilter {
        file_type: Some(file_type),
        ..FileFilter::default()
    };
    let pickle = FileFilter {
        format: Some(FileFormat::PickleTensor),
        ..typed(FileType::PrunedModel)
    };
    let cases = [
        ("128713", version(128_713)),
        (
            "128713?type=Model&format=SafeTensor&size=pruned&fp=fp16",
            filtered(weights),
        ),
        (
            "128713?type=Pruned%20Model&format=PickleTensor",
            filtered(pickle),
        ),
        (
            "128713?type=Training+Data",
            filtered(typed(FileType::TrainingData)),
        ),
        ("128713?fileId=93208", file(93_208, version(128_713))),
        (
            "128713?fileId=93208&type=VAE",
            file(93_208, filtered(typed(FileType::Vae))),
        ),
        (
            "128713?type=Model&format=GGUF&size=full&quantType=Q4_K_M",
            filtered(gguf),
        ),
        ("128713?novel=1&type=", version(128_713)),
    ];
    for (tail, expected) in cases {
        let text = format!("https://civitai.com/api/download/models/{tail}");
        assert_eq!(good(&text), expected, "{text}");
    }
    assert_eq!(
        good("https://api.civitai.com/download/models/128713"),
        version(128_713)
    );
    assert_eq!(
        good("https://civitai.com/api/download/training-data/128713"),
        filtered(typed(FileType::TrainingData))
    );
    assert_eq!(
        good("civitai:4384@128713?type=VAE"),
        CivitaiRef {
            filter: typed(FileType::Vae),
            ..of_model(4384, 128_713)
        }
    );
}

#[test]
fn airs_name_a_model_a_version_or_a_file() {
    let wai = || of_model(827_184, 2_514_310);
    let cases = [
        ("urn:air:sdxl:checkpoint:civitai:827184@2514310", wai()),
        ("air:sdxl:checkpoint:civitai:827184@2514310", wai()),
        ("sdxl:checkpoint:civitai:827184@2514310", wai()),
        (
            "urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203",
            file(2_402_203, wai()),
        ),
        (
            "urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203.safetensor",
            hinted("safetensor", file(2_402_203, wai())),
        ),
        (
            "urn:air:sdxl:checkpoint:civitai:827184@2514310.safetensor",
            hinted("safetensor", wai()),
        ),
        (
            "urn:air:sd1:embedding:civitai:7808@9208.pt",
            hinted("pt", of_model(7808, 9208)),
        ),
        ("urn:air:sdxl:lora:civitai:328553", model(328_553)),
        (
            "urn:air:sdxl:lora:civitai:328553+99",
            file(99, model(328_553)),
        ),
        (
            "URN:AIR:SDXL:LORA:CIVITAI:328553@368189",
            of_model(328_553, 368_189),
        ),
        ("civitai:1102@1144", of_model(1102, 1144)),
        ("civitai:4384", model(4384)),
        (
            " civitai:4384@128713+93208 ",
            file(93_208, of_model(4384, 128_713)),
        ),
        (
            "urn:air:boogu:diffusionmodel:civitai:2714299@3049541",
            of_model(2_714_299, 3_049_541),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(good(text), expected, "{text}");
    }
}

#[test]
fn an_air_of_hugging_face_is_handed_to_hugging_face() {
    let cases = [
        (
            "urn:air:flux1:checkpoint:huggingface:black-forest-labs/FLUX.1-dev@main",
            "black-forest-labs/FLUX.1-dev",
            Some("main"),
        ),
        (
            "urn:air:model:huggingface:stabilityai/sdxl-vae",
            "stabilityai/sdxl-vae",
            None,
        ),
        (
            "model:huggingface:stabilityai/sdxl-vae",
            "stabilityai/sdxl-vae",
            None,
        ),
    ];
    for (text, repo, revision) in cases {
        let reference = parse(text, &endpoint()).unwrap().unwrap();
        let Locator::HuggingFace(hf) = reference.locator else {
            panic!("{text} is read as {:?}", reference.locator);
        };
        assert_eq!(
            (hf.repo.as_str(), hf.revision.as_ref().map(|r| r.as_str())),
            (repo, revision),
            "{text}"
        );
    }
}

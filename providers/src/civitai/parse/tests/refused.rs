//! What is not read, left to others, or kept out of sight.

use super::*;

#[test]
fn what_is_the_hubs_but_wrong_is_refused_with_an_example() {
    let unsupported = [
        "https://civitai.com/api/v1/models?limit=3&types=Checkpoint",
        "https://civitai.com/images/27463455",
        "https://civitai.com/posts/1",
        "https://civitai.com/user/WAI0731/models",
        "https://civitai.com/collections/5",
        "https://civitai.com/articles/9",
        "https://civitai.com/3d-models/12",
        "https://civitai.com/",
        "civitai.com",
        "urn:air:other:other:civitai-r2:civitai-worker-assets@sam_vit_b_01ec64.pth",
        "urn:air:sdxl:lora:orchestrator:abc-123@file.safetensors",
    ];
    let malformed = [
        "https://civitai.com/api/download/models/128713?format=safetensors",
        "https://civitai.com/api/download/models/128713?type=model",
        "https://civitai.com/api/download/models/128713?size=big",
        "https://civitai.com/api/download/models/128713?type=VAE&type=Model",
        "https://civitai.com/api/download/models/128713?token=a%20b",
        "https://civitai.com/models/4384?modelVersionId=abc",
        "https://civitai.com/models/4384?modelVersionId=1&modelVersionId=2",
        "https://civitai.com/models",
        "https://civitai.com/models/abc",
        "https://civitai.com/models/create",
        "https://civitai.com/models/0",
        "https://civitai.com/models/2147483648",
        "https://civitai.com/models/%34384",
        "https://user:s3cret@civitai.com/models/4384",
        "user:s3cret@civitai.com/models/4384",
        "https://civitai.com:8443/models/4384",
        "civitai.com:8443/models/4384",
        "https://civitai.com/models/4384 5",
        "https://civitai.com/api/v1/model-versions/by-hash/xyz",
        "https://civitai.com/api/v1/model-versions/by-hash/abc",
        "urn:air:sdxl:lora:civitai:abc@def",
        "urn:air:sdxl:lora:civitai:1@2+",
        "urn:air:sdxl:lora:civitai:1@2+3+4",
        "urn:air:sdxl:lora:civitai:1@2:layer1",
        "urn:air:sdxl:lora:civitai:0@2",
        "urn:air:sdxl:lora:civitai:1@2147483648",
        "urn:air:model:huggingface:../..",
        "urn:air:model:huggingface:org/name@main+5",
        "urn:arn:aws:s3:::bucket",
        "civitai:",
        "civitai:sha256:abc",
        "civitai:autov2:879db523",
        "4384",
        "12345678901234567890",
    ];
    for text in unsupported {
        assert!(bad(text).unsupported, "{text}");
    }
    for text in malformed {
        let error = bad(text);
        assert!(!error.unsupported, "{text}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert!(bad("4384").example.contains("civitai:4384"));
}

#[test]
fn what_is_not_the_hubs_is_left_to_others() {
    for text in [
        "https://civitai.com.evil.example/models/4384",
        "https://evil.example/?u=https://civitai.com/models/4384",
        "https://evil.example/civitai.com/models/4384",
        "https://civitai.com@evil.example/models/4384",
        "https://notcivitai.com/models/4384",
        "https://image.civitai.com/xG1/original.jpeg",
        "ftp://civitai.com/models/4384",
        "civitai.com.evil.example/models/4384",
        "ghcr:x@sha256:abc",
        "org/name",
        "gpt2",
        "879db523c3",
        "https://huggingface.co/org/name",
        "hf://org/name",
        "",
    ] {
        assert!(parse(text, &endpoint()).is_none(), "{text}");
    }
}

#[test]
fn a_token_in_the_url_moves_out_of_it() {
    let text = "https://civitai.com/api/download/models/128713?type=Model&token=S3CRET";
    let reference = parse(text, &endpoint()).unwrap().unwrap();
    assert_eq!(reference.token.as_ref().unwrap().0.expose(), "S3CRET");
    assert!(!format!("{reference:?}").contains("S3CRET"));
    assert!(
        !serde_json::to_string(&reference)
            .unwrap()
            .contains("S3CRET")
    );
    let refused = "https://civitai.com/images/1?token=S3CRET";
    assert!(!bad(refused).to_string().contains("S3CRET"));
}

#[test]
fn a_stand_ins_urls_are_the_hubs_below_its_own_path() {
    let stand_in = SafeUrl::parse("http://127.0.0.1:9000/civitai").unwrap();
    let read =
        |text: &str| parse(text, &stand_in).map(|read| read.map(|reference| reference.locator));
    let expected = Some(Ok(Locator::Civitai(of_model(4384, 128_713))));
    for text in [
        "http://127.0.0.1:9000/civitai/models/4384?modelVersionId=128713",
        "127.0.0.1:9000/civitai/models/4384?modelVersionId=128713",
        "https://civitai.com/models/4384?modelVersionId=128713",
        "civitai:4384@128713",
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    for text in [
        "http://127.0.0.1:9000/models/4384",
        "http://127.0.0.1:9001/civitai/models/4384",
        "127.0.0.1:9000",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_reference_survives_storage_and_a_bad_one_does_not_come_back() {
    for text in [
        "civitai.red/models/4384?modelVersionId=128713",
        "https://civitai.com/api/download/models/128713?type=Pruned%20Model&format=Core%20ML&fp=fp16",
        "urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203.safetensor",
        "civitai:autov2:879db523c3",
    ] {
        let reference = parse(text, &endpoint()).unwrap().unwrap();
        let stored = serde_json::to_string(&reference).unwrap();
        assert_eq!(
            serde_json::from_str::<Reference>(&stored).unwrap(),
            reference,
            "{stored}"
        );
    }
    for stored in [
        r#"{"target":{"model":0}}"#,
        r#"{"target":{"version":{"model":null,"version":2147483648}}}"#,
        r#"{"target":{"hash":{"kind":"AutoV2","hex":"xyz"}}}"#,
        r#"{"target":{"model":1},"filter":{"type":"model"}}"#,
    ] {
        assert!(
            serde_json::from_str::<CivitaiRef>(stored).is_err(),
            "{stored}"
        );
    }
}

//! Texts put together at random.

use proptest::prelude::*;

use super::*;

/// Pieces that sources are made of, put together at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("https://civitai.com/".to_owned()),
        Just("civitai.red/".to_owned()),
        Just("civitai:".to_owned()),
        Just("urn:air:sdxl:lora:".to_owned()),
        Just("huggingface:".to_owned()),
        Just("models/".to_owned()),
        Just("api/download/models/".to_owned()),
        Just("../".to_owned()),
        Just("?type=Model&fp=".to_owned()),
        Just("&modelVersionId=".to_owned()),
        "[0-9]{1,11}",
        "[@+.:/?#&=%]",
        "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in prop_oneof![".{0,80}", pieces()]) {
        if let Some(Ok(reference)) = parse(&text, &endpoint()) {
            let stored = serde_json::to_string(&reference).unwrap();
            prop_assert!(!stored.contains(".."), "{}", stored);
            prop_assert_eq!(serde_json::from_str::<Reference>(&stored).unwrap(), reference);
        }
    }

    #[test]
    fn every_id_in_range_is_read_and_none_beyond(number in 0u64..5_000_000_000) {
        let in_range = (1..=2_147_483_647).contains(&number);
        prop_assert_eq!(read(&format!("civitai:{number}")).unwrap().is_ok(), in_range);
        prop_assert_eq!(read(&format!("https://civitai.com/models/{number}")).unwrap().is_ok(), in_range);
    }

    #[test]
    fn a_filter_of_the_hubs_own_words_is_read_and_any_other_word_refused(
        kind in proptest::option::of(0..KINDS.len()),
        format in proptest::option::of(0..FORMATS.len()),
        size in proptest::option::of(0..2usize),
        fp in proptest::option::of("[a-zA-Z0-9_-]{1,64}"),
        quant in proptest::option::of("[a-zA-Z0-9_.-]{1,8}"),
        spoilt in "[a-z]{1,3}",
    ) {
        let pairs: Vec<(&str, String)> = [
            ("type", kind.map(|nth| KINDS[nth].to_owned())),
            ("format", format.map(|nth| FORMATS[nth].to_owned())),
            ("size", size.map(|nth| ["full", "pruned"][nth].to_owned())),
            ("fp", fp),
            ("quantType", quant.filter(|text| !text.contains(".."))),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
        let url = |pairs: &[(&str, String)]| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(pairs);
            format!("https://civitai.com/api/download/models/5?{}", query.finish())
        };
        let read = good(&url(&pairs));
        let said: Vec<(&str, String)> = read.filter.pairs().map(|(k, v)| (k, v.to_owned())).collect();
        prop_assert_eq!(&said, &pairs);
        for (nth, (key, _)) in pairs.iter().enumerate() {
            let mut other = pairs.clone();
            other[nth].1.push_str(&spoilt);
            if matches!(*key, "type" | "format" | "size") {
                prop_assert!(!bad(&url(&other)).unsupported);
            }
        }
    }
}

/// The hub's words for what a file is, and for how it is written.
const KINDS: [&str; 17] = [
    "Model",
    "Text Encoder",
    "Vision Encoder",
    "Pruned Model",
    "Negative",
    "Training Data",
    "VAE",
    "Config",
    "Archive",
    "UNet",
    "Diffusion Model",
    "CLIPVision",
    "ControlNet",
    "Workflow",
    "Upscaler",
    "Enhancement LoRA",
    "Other",
];
const FORMATS: [&str; 7] = [
    "SafeTensor",
    "PickleTensor",
    "GGUF",
    "Diffusers",
    "Core ML",
    "ONNX",
    "Other",
];

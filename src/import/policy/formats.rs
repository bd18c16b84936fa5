//! The words of the rule `formats`.

use std::fmt;
use std::str::FromStr;

use crate::inspect::{Finding, Format, Nature};

/// One word of the rule: a format of weights, a group of formats, or a media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatRule(String);

/// Formats that have a word of their own.
const FORMATS: &[(&str, &[Format])] = &[
    ("safetensors", &[Format::Safetensors]),
    ("gguf", &[Format::Gguf]),
    ("onnx", &[Format::Onnx]),
    (
        "pickle",
        &[Format::TorchZip, Format::TorchLegacy, Format::Pickle],
    ),
    ("numpy", &[Format::Npy, Format::Npz]),
    ("hdf5", &[Format::Hdf5]),
    ("tflite", &[Format::TfLite]),
    ("ggml", &[Format::GgmlLegacy]),
    ("zip", &[Format::Zip]),
];

/// Groups of formats.
const GROUPS: &[(&str, Nature)] = &[
    ("weights", Nature::Weights),
    ("arrays", Nature::Arrays),
    ("image", Nature::Image),
    ("video", Nature::Video),
    ("audio", Nature::Audio),
    ("3d", Nature::ThreeD),
    ("archive", Nature::Archive),
    ("data", Nature::Data),
];

/// A word that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no format; the words are {known}, and media types such as image/png")]
pub struct UnknownFormat {
    word: String,
    known: String,
}

impl FormatRule {
    /// Whether a file like this is of the format.
    pub fn admits(&self, finding: &Finding) -> bool {
        let word = self.0.as_str();
        let is_format = FORMATS
            .iter()
            .any(|(name, formats)| *name == word && formats.contains(&finding.format));
        let is_group = GROUPS
            .iter()
            .any(|(name, nature)| *name == word && *nature == finding.nature);
        is_format || is_group || (word.contains('/') && finding.media_type == word)
    }
}

impl FromStr for FormatRule {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        let word = word.to_ascii_lowercase();
        let names = || {
            let formats = FORMATS.iter().map(|(name, _)| *name);
            formats.chain(GROUPS.iter().map(|(name, _)| *name))
        };
        let is_media_type = word.split_once('/').is_some_and(|(kind, rest)| {
            matches!(
                kind,
                "application" | "audio" | "font" | "image" | "model" | "text" | "video"
            ) && !rest.is_empty()
        });
        if is_media_type || names().any(|name| name == word) {
            return Ok(Self(word));
        }
        Err(UnknownFormat {
            word: word.chars().take(40).flat_map(char::escape_debug).collect(),
            known: names().collect::<Vec<_>>().join(", "),
        })
    }
}

impl fmt::Display for FormatRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

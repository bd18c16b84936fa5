//! `?type=&format=&size=&fp=&quantType=` of a download URL.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A filter value that the hub would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` can't be that value; it is one of {allowed}")]
pub struct BadFilter {
    key: &'static str,
    allowed: String,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $key:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            const ALL: &[Self] = &[$(Self::$variant),+];

            /// The hub's spelling, in which upper and lower case count.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the hub's spelling.
            ///
            /// # Errors
            /// [`BadFilter`] lists the values there are.
            pub fn named(text: &str) -> Result<Self, BadFilter> {
                let found = Self::ALL.iter().copied().find(|value| value.as_str() == text);
                found.ok_or_else(|| BadFilter {
                    key: $key,
                    allowed: Self::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

named!(
    /// What a file is for.
    FileType, "type", {
        /// The weights.
        Model = "Model",
        /// A text encoder beside the weights.
        TextEncoder = "Text Encoder",
        /// A vision encoder beside the weights.
        VisionEncoder = "Vision Encoder",
        /// The weights, without what only training needs.
        PrunedModel = "Pruned Model",
        /// A negative embedding.
        Negative = "Negative",
        /// What it was trained on.
        TrainingData = "Training Data",
        /// A VAE beside the weights.
        Vae = "VAE",
        /// A configuration, often YAML.
        Config = "Config",
        /// An archive of anything.
        Archive = "Archive",
        /// A U-Net alone.
        UNet = "UNet",
        /// A diffusion model alone.
        DiffusionModel = "Diffusion Model",
        /// A CLIP vision model.
        ClipVision = "CLIPVision",
        /// A ControlNet.
        ControlNet = "ControlNet",
        /// A workflow file.
        Workflow = "Workflow",
        /// An upscaler.
        Upscaler = "Upscaler",
        /// A LoRA that goes with the weights.
        EnhancementLora = "Enhancement LoRA",
        /// Anything else.
        Other = "Other",
    }
);

named!(
    /// How a file is written.
    FileFormat, "format", {
        /// safetensors.
        SafeTensor = "SafeTensor",
        /// Python pickle.
        PickleTensor = "PickleTensor",
        /// GGUF.
        Gguf = "GGUF",
        /// A folder of Diffusers, packed.
        Diffusers = "Diffusers",
        /// Core ML, packed.
        CoreMl = "Core ML",
        /// ONNX.
        Onnx = "ONNX",
        /// Anything else.
        Other = "Other",
    }
);

named!(
    /// Whether a file has what only training needs.
    FileSize, "size", {
        /// With it.
        Full = "full",
        /// Without it.
        Pruned = "pruned",
    }
);

/// A short free text, as `fp` and `quantType` are: 1 to 64 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShortText(String);

impl ShortText {
    /// Checks a text.
    ///
    /// # Errors
    /// [`BadFilter`] when it is empty, longer than 64 characters or has control characters.
    pub fn new(key: &'static str, text: &str) -> Result<Self, BadFilter> {
        let is_short = (1..=64).contains(&text.chars().count());
        let good = is_short && !text.contains("..") && !text.chars().any(char::is_control);
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| BadFilter {
                key,
                allowed: "texts of 1 to 64 characters, such as fp16 or Q4_K_M".to_owned(),
            })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ShortText {
    type Error = BadFilter;

    fn try_from(text: String) -> Result<Self, BadFilter> {
        Self::new("fp", &text)
    }
}

impl From<ShortText> for String {
    fn from(text: ShortText) -> String {
        text.0
    }
}

/// Which of a version's files, as a download URL says it. Empty: any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileFilter {
    /// `Model`, `Pruned Model`, `VAE`, …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub file_type: Option<FileType>,
    /// `SafeTensor`, `PickleTensor`, `GGUF`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// `full` or `pruned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<FileSize>,
    /// `fp16`, `fp32`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp: Option<ShortText>,
    /// `Q4_K_M`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quant_type: Option<ShortText>,
}

impl FileFilter {
    /// Whether it leaves every file in.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The keys that are set, in the hub's order, with their values.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("type", self.file_type.map(FileType::as_str)),
            ("format", self.format.map(FileFormat::as_str)),
            ("size", self.size.map(FileSize::as_str)),
            ("fp", self.fp.as_ref().map(ShortText::as_str)),
            ("quantType", self.quant_type.as_ref().map(ShortText::as_str)),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
    }
}

impl fmt::Display for FileFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (key, value)) in self.pairs().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            write!(f, "{comma}{key} {value}")?;
        }
        Ok(())
    }
}

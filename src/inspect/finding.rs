//! What a stored file turned out to be, or why it may not be published.

use std::{collections::BTreeMap, fmt, io};

use super::facts::Facts;

/// A file format, told by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "each variant is the format's own name; `Format::label` spells it out"
)]
#[non_exhaustive]
pub enum Format {
    Empty,
    Safetensors,
    Gguf,
    Onnx,
    TorchZip,
    TorchLegacy,
    Pickle,
    Npy,
    Npz,
    Hdf5,
    TfLite,
    CoreMl,
    TensorRt,
    GgmlLegacy,
    UnknownWeights,
    Zip,
    SevenZip,
    Tar,
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zlib,
    Zstd,
    Lz4,
    Rar,
    Png,
    Jpeg,
    WebP,
    Gif,
    Bmp,
    Avif,
    Tiff,
    Svg,
    Mp4,
    WebM,
    Mov,
    Mkv,
    Wav,
    Mp3,
    Flac,
    Ogg,
    M4a,
    Glb,
    Gltf,
    Obj,
    Fbx,
    Stl,
    Ply,
    Html,
    Json,
    Xml,
    Yaml,
    Text,
    Pdf,
    Parquet,
    Arrow,
    Sqlite,
    Executable,
    Unknown,
}

/// What a file is for, as far as its format tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Nature {
    /// Trained numbers of a model.
    Weights,
    /// Arrays that may be weights or data: `.npy`, `.npz`, HDF5.
    Arrays,
    /// A still or animated picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// A mesh or scene.
    ThreeD,
    /// Text, markup, configuration.
    Text,
    /// Files packed or compressed into one.
    Archive,
    /// Anything else.
    Data,
}

impl Format {
    /// The format in words, with its article: "a PNG image".
    #[must_use]
    pub fn label(self) -> &'static str {
        self.describe().0
    }

    /// The IANA media type, or the common unregistered one.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        self.describe().1
    }

    /// What a file of this format is for.
    #[must_use]
    pub fn nature(self) -> Nature {
        self.describe().2
    }

    fn describe(self) -> (&'static str, &'static str, Nature) {
        const BINARY: &str = "application/octet-stream";
        match self {
            Self::Empty => ("an empty file", BINARY, Nature::Text),
            Self::Safetensors => ("a safetensors file", BINARY, Nature::Weights),
            Self::Gguf => ("a GGUF file", BINARY, Nature::Weights),
            Self::Onnx => ("an ONNX model", BINARY, Nature::Weights),
            Self::TorchZip => ("a PyTorch checkpoint", BINARY, Nature::Weights),
            Self::TorchLegacy => ("a legacy PyTorch checkpoint", BINARY, Nature::Weights),
            Self::Pickle => ("a Python pickle", BINARY, Nature::Weights),
            Self::Npy => ("a NumPy array", BINARY, Nature::Arrays),
            Self::Npz => ("a NumPy archive", BINARY, Nature::Arrays),
            Self::Hdf5 => ("an HDF5 file", "application/x-hdf5", Nature::Arrays),
            Self::TfLite => ("a TensorFlow Lite model", BINARY, Nature::Weights),
            Self::CoreMl => ("a Core ML model", BINARY, Nature::Weights),
            Self::TensorRt => ("a TensorRT engine", BINARY, Nature::Weights),
            Self::GgmlLegacy => ("a legacy GGML model", BINARY, Nature::Weights),
            Self::UnknownWeights => ("binary data named as weights", BINARY, Nature::Weights),
            Self::Zip => ("a zip archive", "application/zip", Nature::Archive),
            Self::SevenZip => (
                "a 7z archive",
                "application/x-7z-compressed",
                Nature::Archive,
            ),
            Self::Tar => ("a tar archive", "application/x-tar", Nature::Archive),
            Self::Gzip => ("gzip-compressed data", "application/gzip", Nature::Archive),
            Self::Bzip2 => (
                "bzip2-compressed data",
                "application/x-bzip2",
                Nature::Archive,
            ),
            Self::Xz => ("xz-compressed data", "application/x-xz", Nature::Archive),
            Self::Lzma => (
                "lzma-compressed data",
                "application/x-lzma",
                Nature::Archive,
            ),
            Self::Zlib => ("zlib-compressed data", "application/zlib", Nature::Archive),
            Self::Zstd => ("zstd-compressed data", "application/zstd", Nature::Archive),
            Self::Lz4 => ("lz4-compressed data", "application/x-lz4", Nature::Archive),
            Self::Rar => ("a RAR archive", "application/vnd.rar", Nature::Archive),
            Self::Png => ("a PNG image", "image/png", Nature::Image),
            Self::Jpeg => ("a JPEG image", "image/jpeg", Nature::Image),
            Self::WebP => ("a WebP image", "image/webp", Nature::Image),
            Self::Gif => ("a GIF image", "image/gif", Nature::Image),
            Self::Bmp => ("a BMP image", "image/bmp", Nature::Image),
            Self::Avif => ("an AVIF image", "image/avif", Nature::Image),
            Self::Tiff => ("a TIFF image", "image/tiff", Nature::Image),
            Self::Svg => ("an SVG image", "image/svg+xml", Nature::Image),
            Self::Mp4 => ("an MP4 video", "video/mp4", Nature::Video),
            Self::WebM => ("a WebM video", "video/webm", Nature::Video),
            Self::Mov => ("a QuickTime video", "video/quicktime", Nature::Video),
            Self::Mkv => ("a Matroska video", "video/x-matroska", Nature::Video),
            Self::Wav => ("a WAV recording", "audio/wav", Nature::Audio),
            Self::Mp3 => ("an MP3 recording", "audio/mpeg", Nature::Audio),
            Self::Flac => ("a FLAC recording", "audio/flac", Nature::Audio),
            Self::Ogg => ("an Ogg recording", "audio/ogg", Nature::Audio),
            Self::M4a => ("an MPEG-4 recording", "audio/mp4", Nature::Audio),
            Self::Glb => ("a binary glTF model", "model/gltf-binary", Nature::ThreeD),
            Self::Gltf => ("a glTF model", "model/gltf+json", Nature::ThreeD),
            Self::Obj => ("a Wavefront OBJ model", "model/obj", Nature::ThreeD),
            Self::Fbx => ("an FBX model", BINARY, Nature::ThreeD),
            Self::Stl => ("an STL model", "model/stl", Nature::ThreeD),
            Self::Ply => ("a PLY model", "model/ply", Nature::ThreeD),
            Self::Html => ("an HTML page", "text/html", Nature::Text),
            Self::Json => ("JSON text", "application/json", Nature::Text),
            Self::Xml => ("XML text", "application/xml", Nature::Text),
            Self::Yaml => ("YAML text", "application/yaml", Nature::Text),
            Self::Text => ("plain text", "text/plain", Nature::Text),
            Self::Pdf => ("a PDF document", "application/pdf", Nature::Data),
            Self::Parquet => (
                "a Parquet table",
                "application/vnd.apache.parquet",
                Nature::Data,
            ),
            Self::Arrow => (
                "an Arrow table",
                "application/vnd.apache.arrow.file",
                Nature::Data,
            ),
            Self::Sqlite => (
                "an SQLite database",
                "application/vnd.sqlite3",
                Nature::Data,
            ),
            Self::Executable => ("an executable program", BINARY, Nature::Data),
            Self::Unknown => ("binary data of no known format", BINARY, Nature::Data),
        }
    }
}

/// One file, judged fit to be published.
///
/// "Fit" means that no rule of this module refuses it. It does not mean that every program that
/// opens the file is safe: [`Finding::warnings`] says what was seen and could not be decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The format, by content.
    pub format: Format,
    /// The media type of that format.
    pub media_type: &'static str,
    /// What the file is for.
    pub nature: Nature,
    /// What the file says of itself.
    pub facts: Facts,
    /// Short metadata strings of the header: at most [`MAX_METADATA`] pairs, long values cut.
    pub metadata: BTreeMap<String, String>,
    /// The `<title>` of an HTML page.
    pub title: Option<String>,
    /// Things a person should know before using the file.
    pub warnings: Vec<Warning>,
}

/// Most metadata pairs a [`Finding`] keeps.
pub const MAX_METADATA: usize = 64;
/// Most characters of one metadata value that a [`Finding`] keeps.
const MAX_METADATA_VALUE: usize = 1024;

impl Finding {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            media_type: format.media_type(),
            nature: format.nature(),
            facts: Facts::default(),
            metadata: BTreeMap::new(),
            title: None,
            warnings: Vec::new(),
        }
    }

    pub(super) fn warn(&mut self, kind: WarningKind, message: impl Into<String>) {
        self.warnings.push(Warning {
            kind,
            message: message.into(),
        });
    }

    pub(super) fn note(&mut self, key: &str, value: &str) {
        if self.metadata.len() < MAX_METADATA {
            let value = value.chars().take(MAX_METADATA_VALUE).collect();
            self.metadata.insert(key.chars().take(256).collect(), value);
        }
    }
}

/// Something about a published file that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What sort of thing it is.
    pub kind: WarningKind,
    /// The warning in plain words, without the file's path.
    pub message: String,
}

/// The sort of a [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// The file is, or holds, a pickle: loading it runs a small program.
    Pickle,
    /// The file holds code or templates that some programs run.
    RunsElsewhere,
    /// Part of the file could not be looked into.
    NotChecked,
    /// The content is odd but harmless.
    Odd,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a file may not be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The class of the refusal, which is also its public error code.
    pub reason: RefusalReason,
    /// What is wrong with which file, in plain words.
    pub message: String,
    /// What the person can do next.
    pub hint: Option<String>,
}

/// The class of a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// A pickle that runs something not known to be harmless, or hides from being checked.
    UnsafePickle,
    /// Cut, corrupt, or not the format its name says.
    MalformedFile,
    /// A web page where a file was meant.
    HtmlInsteadOfFile,
    /// The files are not of the kind that was asked for.
    KindMismatch,
}

impl RefusalReason {
    /// The public error code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnsafePickle => "unsafe_pickle",
            Self::MalformedFile => "malformed_file",
            Self::HtmlInsteadOfFile => "html_instead_of_file",
            Self::KindMismatch => "kind_mismatch",
        }
    }
}

impl Refusal {
    pub(super) fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why [`inspect`](super::inspect) gave no finding.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The content could not be read, or ended before its stated size.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The content was read and may not be published.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A refusal of a file that is cut, corrupt or misnamed.
pub(super) fn malformed(message: impl Into<String>) -> InspectError {
    Refusal::new(RefusalReason::MalformedFile, message).into()
}

/// A refusal of a pickle, or of what may hide one.
pub(super) fn unsafe_pickle(message: impl Into<String>, hint: impl Into<String>) -> InspectError {
    Refusal::new(RefusalReason::UnsafePickle, message)
        .with_hint(hint)
        .into()
}

/// Text from inside a file, made fit for a message: control and bidirectional characters are
/// escaped, and no more than `most` characters are shown.
pub(super) fn shown(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            out.push('…');
            break;
        }
        let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || invisible {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

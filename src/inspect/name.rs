//! What a file's name says it should be. Content decides; the name only tells what was meant.

/// What the extension of a path promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// Exactly this weights format, or nothing.
    Safetensors,
    /// Exactly this weights format, or nothing.
    Gguf,
    /// Exactly this weights format, or nothing.
    Onnx,
    /// A PyTorch checkpoint or a pickle: what `torch.load` and `pickle.load` open.
    Pickled,
    /// Other weights, in one of many formats, some of them without a magic number.
    Weights,
    /// A web page, or text that may well start like one.
    Page,
    /// Openly an archive or compressed file.
    Archive,
    /// Another extension that never holds a web page.
    Other,
    /// No extension: nothing is promised.
    Nothing,
}

/// The lower-case extension of a path, without its dot.
pub(super) fn extension(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// What the name of `path` promises.
pub(super) fn meant(path: &str) -> Meant {
    match extension(path).as_str() {
        "safetensors" | "sft" => Meant::Safetensors,
        "gguf" => Meant::Gguf,
        "onnx" => Meant::Onnx,
        "pt" | "pth" | "ckpt" | "pkl" | "pickle" | "joblib" | "npy" | "npz" => Meant::Pickled,
        "bin" | "ggml" | "h5" | "hdf5" | "keras" | "tflite" | "msgpack" | "pb" | "mlmodel"
        | "engine" | "plan" | "ot" | "pdparams" | "pdmodel" | "pdopt" | "params" | "weights"
        | "caffemodel" | "nemo" | "llamafile" | "task" | "litertlm" | "rknn" | "pte" | "ptl"
        | "mnn" | "uff" | "t7" | "onnx_data" | "pdiparams" | "marlin" => Meant::Weights,
        "html" | "htm" | "xhtml" | "shtml" | "mht" | "mhtml" | "md" | "mdx" | "markdown"
        | "txt" | "text" | "rst" | "adoc" | "php" | "asp" | "aspx" | "jsp" | "vue" | "svelte"
        | "astro" | "erb" | "hbs" | "ejs" | "jinja" | "jinja2" | "j2" | "tpl" | "tmpl"
        | "mustache" | "njk" | "liquid" | "xml" | "xsl" | "xslt" | "svg" | "hta" | "htc"
        | "heex" => Meant::Page,
        "zip" | "7z" | "tar" | "gz" | "tgz" | "bz2" | "tbz2" | "tbz" | "xz" | "txz" | "lzma"
        | "zst" | "tzst" | "lz4" | "rar" | "whl" | "jar" | "apk" | "docx" | "xlsx" | "pptx"
        | "odt" | "ods" | "odp" | "epub" | "3mf" | "usdz" | "kmz" | "cbz" | "npm" | "egg" | "z"
        | "zlib" | "mlpackage" | "svgz" => Meant::Archive,
        "" => Meant::Nothing,
        _ => Meant::Other,
    }
}

/// Whether the name of `path` promises weights of some format.
#[must_use]
pub fn promises_weights(path: &str) -> bool {
    meant(path).is_weights()
}

/// Whether `torch.load` and its like open files of this name.
#[must_use]
pub fn promises_pickle(path: &str) -> bool {
    meant(path) == Meant::Pickled || extension(path) == "bin"
}

/// Whether a file of this name may be found unfit by its headers: weights, archives, and what
/// promises nothing.
#[must_use]
pub fn tells_early(path: &str) -> bool {
    let meant = meant(path);
    meant.is_weights() || matches!(meant, Meant::Archive | Meant::Nothing)
}

/// The path without its last extension: `model.pkl.gz` gives `model.pkl`.
pub(super) fn without_extension(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((stem, extension)) if !extension.contains(['/', '\\']) => stem,
        _ => path,
    }
}

impl Meant {
    /// Whether the name promises weights of some format.
    pub(super) fn is_weights(self) -> bool {
        matches!(
            self,
            Self::Safetensors | Self::Gguf | Self::Onnx | Self::Pickled | Self::Weights
        )
    }
}

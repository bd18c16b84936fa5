//! What a stored file is, and whether it is safe to publish.
//!
//! Pure: bytes in, finding out. Formats are told by content; a name only says what was meant, so
//! that a web page stored as `model.safetensors` is noticed. Pickles, which are programs, are
//! refused unless every reference in them is known to be harmless: see [`pickle`].
//!
//! ```text
//! inspect ─ magic, text, safetensors, gguf, onnx …   what it is
//!         └ pickle ▸ torch ▸ zip ▸ npy               what it would run
//! kind                                               whether the files are what was asked for
//! ```
//!
//! What is not decided here: programs that run strings they find in a file (Jinja chat templates,
//! `auto_map`, Keras Lambda layers, Hydra `_target_`), and bugs in the readers of ONNX, GGUF and
//! media files. Such files carry a warning, never the word "safe".

mod archive;
mod coreml;
mod facts;
mod finding;
mod gguf;
mod kind;
mod magic;
mod media;
mod name;
mod npy;
mod onnx;
mod pickle;
mod protobuf;
mod safetensors;
mod source;
mod text;
mod torch;
mod zip;

#[cfg(test)]
mod tests;

pub use facts::{Facts, ModelType};
pub use finding::{
    Finding, Format, InspectError, MAX_METADATA, Nature, Refusal, RefusalReason, Warning,
    WarningKind,
};
pub use kind::{Kind, UnknownKind, clash, settle};
pub use name::{promises_pickle, promises_weights, tells_early};
pub use pickle::{AllowList, AllowListError, PicklePolicy};
pub use source::Content;

use finding::{malformed, shown};
use name::Meant;
use pickle::{End, Feed, Region, gate::Gate};
use source::Source;

/// How much of a file is looked at to tell its format.
const HEAD: usize = 16 * 1024;

/// Says what a stored file is, or why it may not be published.
///
/// `path` is the file's path in its upload, and only says what was meant. `size` is the length of
/// `content` in bytes. Reading is bounded: headers, pickles and zip directories, never tensor
/// data. It blocks while reading, so call it off the async runtime.
///
/// # Errors
/// [`InspectError::Refused`] with the reason, a message that names the path, and a hint;
/// [`InspectError::Io`] where reading fails or `content` ends before `size`.
pub fn inspect(
    path: &str,
    size: u64,
    content: &mut dyn Content,
    pickles: PicklePolicy,
    extra: &AllowList,
) -> Result<Finding, InspectError> {
    let mut source = Source::new(content, size);
    let gate = Gate {
        policy: pickles,
        extra,
        inside: false,
    };
    examine(path, &mut source, gate).map_err(|error| match error {
        InspectError::Refused(refusal) if refusal.reason != RefusalReason::HtmlInsteadOfFile => {
            let message = format!("`{}`: {}", shown(path, 200), refusal.message);
            Refusal { message, ..refusal }.into()
        }
        other => other,
    })
}

fn examine(path: &str, source: &mut Source<'_>, gate: Gate<'_>) -> Result<Finding, InspectError> {
    let meant = name::meant(path);
    if source.size() == 0 {
        return empty(meant);
    }
    let head = source.bytes_at(0, HEAD)?;
    let read = match claim(path, meant, &head, source, gate)? {
        Claim::Pickle => return read_pickle(&head, source, gate),
        Claim::Weights(read) => read(source),
        Claim::Format(format) => read_format(path, format, source, gate),
    };
    match read {
        Ok(finding) => {
            refuse_double_meaning(meant, &finding, &head, source, gate)?;
            check_name(path, meant, &head, finding)
        }
        Err(InspectError::Refused(refusal)) if refusal.reason == RefusalReason::MalformedFile => {
            // What a file would run weighs more than how it is broken.
            let broken = Finding::new(Format::Unknown);
            refuse_double_meaning(meant, &broken, &head, source, gate)?;
            Err(refusal.into())
        }
        Err(other) => Err(other),
    }
}

fn empty(meant: Meant) -> Result<Finding, InspectError> {
    if meant.is_weights() {
        return Err(malformed("it is empty, where weights were expected"));
    }
    Ok(Finding::new(Format::Empty))
}

type ReadHeader = fn(&mut Source<'_>) -> Result<Finding, InspectError>;

/// Which format the content claims to be.
enum Claim {
    Pickle,
    Weights(ReadHeader),
    Format(Format),
}

/// Tells the format. Safetensors and ONNX have no magic number, so they are asked after those
/// that have one, and pickles after everything that a loader would not take for one.
fn claim(
    path: &str,
    meant: Meant,
    head: &[u8],
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Claim, InspectError> {
    if safetensors::claims(head, source.size()) {
        return Ok(Claim::Weights(safetensors::read));
    }
    match magic::by_magic(head, source.size()) {
        Some(Format::Gguf) => return Ok(Claim::Weights(gguf::read)),
        Some(format) => return Ok(Claim::Format(format)),
        None => {}
    }
    if pickle::states_protocol(head) {
        return Ok(Claim::Pickle);
    }
    if head.first() == Some(&0x08) && onnx::claims(source)? {
        return Ok(Claim::Weights(onnx::read));
    }
    if head.first() == Some(&0x08) && coreml::claims(source)? {
        return Ok(Claim::Weights(coreml::read));
    }
    let whole = head.len() as u64 == source.size();
    let is_text = text::is_text(head, whole);
    let loaded = if is_text {
        meant == Meant::Pickled
    } else {
        meant.is_weights()
    };
    Ok(
        if loaded && reads_as_pickle(meant, head, is_text, source, gate)? {
            Claim::Pickle
        } else if text::is_binary_ply(head) {
            Claim::Format(Format::Ply)
        } else if is_text {
            Claim::Format(text::sort(path, head))
        } else if meant == Meant::Safetensors {
            Claim::Weights(safetensors::read)
        } else if meant == Meant::Onnx {
            Claim::Weights(onnx::read)
        } else {
            Claim::Format(Format::Unknown)
        },
    )
}

fn read_format(
    path: &str,
    format: Format,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    match format {
        Format::Zip => archive::read_zip(path, source, gate),
        Format::SevenZip
        | Format::Tar
        | Format::Gzip
        | Format::Bzip2
        | Format::Xz
        | Format::Lzma
        | Format::Zlib
        | Format::Zstd
        | Format::Lz4
        | Format::Rar => archive::read_wrapper(path, format, source, gate),
        Format::Npy => {
            let size = source.size();
            npy::read(
                "the NumPy array",
                &mut Feed::new(&mut Region::new(source, 0, size)),
                gate,
            )
        }
        Format::Hdf5 => {
            let mut finding = Finding::new(format);
            finding.warn(WarningKind::RunsElsewhere, "it is an HDF5 file: a Keras model in one may hold Lambda layers, which are Python code");
            Ok(finding)
        }
        Format::TensorRt => {
            let mut finding = Finding::new(format);
            finding.warn(WarningKind::RunsElsewhere, "it is a TensorRT engine: machine code for a graphics card, which could not be checked");
            Ok(finding)
        }
        Format::Executable => {
            let mut finding = Finding::new(format);
            finding.warn(
                WarningKind::RunsElsewhere,
                "it is an executable program: run it only if you trust its maker",
            );
            Ok(finding)
        }
        Format::Html | Format::Json | Format::Xml | Format::Yaml | Format::Text => {
            text::read(path, format, source)
        }
        Format::Unknown => unknown(path),
        _ => media::read(format, source),
    }
}

fn read_pickle(
    head: &[u8],
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    if torch::starts_legacy(head) {
        return torch::read_legacy(source, gate);
    }
    gate.admit("it is a Python pickle")?;
    let size = source.size();
    let mut finding = Finding::new(Format::Pickle);
    let report = pickle::walk_all(
        &mut Feed::new(&mut Region::new(source, 0, size)),
        gate.extra,
    )?;
    gate.judge("the pickle", &report, &mut finding)?;
    if report.tensors > 0 {
        finding.facts = report.census.facts();
        finding.facts.tensors = Some(report.tensors);
    }
    Ok(finding)
}

/// Whether bytes that do not say their protocol are a pickle. Data that starts like one by chance
/// soon breaks or asks for more than there is; a pickle goes to its end. One that is cut is known
/// by its name, or by what it refers to before that. Text must go to its end.
fn reads_as_pickle(
    meant: Meant,
    head: &[u8],
    is_text: bool,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<bool, InspectError> {
    if !pickle::may_start(head.first()) {
        return Ok(false);
    }
    let size = source.size();
    let mut region = Region::new(source, 0, size);
    let report = pickle::walk_all(&mut Feed::new(&mut region), gate.extra)?;
    let went_on = match report.end {
        End::Stopped | End::TooMuch(_) => true,
        End::Cut => !is_text && (meant == Meant::Pickled || report.refers_to_something()),
        End::Broken(_) => false,
    };
    Ok(went_on && report.opcodes > 1)
}

/// Binary data that no format claims.
fn unknown(path: &str) -> Result<Finding, InspectError> {
    let meant = name::meant(path);
    match meant {
        Meant::Pickled => Err(malformed(
            "it is neither a zip archive, a pickle nor a NumPy file, and a file of its name should be one",
        )),
        Meant::Weights => {
            let mut finding = Finding::new(Format::UnknownWeights);
            finding.warn(
                WarningKind::NotChecked,
                "it is binary data of no format known here, and was not checked",
            );
            Ok(finding)
        }
        _ => Ok(Finding::new(Format::Unknown)),
    }
}

/// Refuses a file that is one thing to its format's readers and a harmful program to a loader of
/// pickles, which reads any bytes that start with an opcode.
fn refuse_double_meaning(
    meant: Meant,
    finding: &Finding,
    head: &[u8],
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<(), InspectError> {
    let zip = matches!(finding.format, Format::Zip | Format::TorchZip | Format::Npz);
    if zip || !pickle::may_start(head.first()) {
        return Ok(());
    }
    let size = source.size();
    let report = pickle::walk_all(
        &mut Feed::new(&mut Region::new(source, 0, size)),
        gate.extra,
    )?;
    let names_something = report.violations.iter().any(|v| {
        v.reference
            .as_ref()
            .is_some_and(|reference| reference.plausible)
    });
    let loaded_as_pickle = meant.is_weights() || meant == Meant::Nothing;
    let text = finding.nature == Nature::Text;
    let hostile = match (text, loaded_as_pickle) {
        (true, false) => report.called_unlisted,
        (_, true) => report.is_hostile_program() || names_something,
        (false, false) => report.is_hostile_program(),
    };
    if !hostile {
        return Ok(());
    }
    gate.admit("it can be read as a Python pickle")?;
    gate.judge(
        "the file, read as a pickle,",
        &report,
        &mut Finding::new(finding.format),
    )
}

/// Refuses content that is not what the name promises.
fn check_name(
    path: &str,
    meant: Meant,
    head: &[u8],
    finding: Finding,
) -> Result<Finding, InspectError> {
    let format = finding.format;
    if format == Format::Html && !matches!(meant, Meant::Page | Meant::Nothing) {
        let wanted = if meant.is_weights() {
            "weights"
        } else {
            "another file"
        };
        return Err(kind::web_page(path, finding.title.as_deref(), wanted).into());
    }
    let promised = match meant {
        Meant::Safetensors => format == Format::Safetensors,
        Meant::Gguf => format == Format::Gguf,
        Meant::Onnx => format == Format::Onnx,
        Meant::Pickled => matches!(
            finding.nature,
            Nature::Weights | Nature::Arrays | Nature::Archive
        ),
        _ => true,
    };
    if promised && !(meant.is_weights() && text::is_lfs_pointer(head)) {
        return Ok(finding);
    }
    Err(misnamed(path, head, &finding))
}

fn misnamed(path: &str, head: &[u8], finding: &Finding) -> InspectError {
    if text::is_lfs_pointer(head) {
        let message = "it is a Git LFS pointer, not the file it stands for";
        let hint = "fetch the file through the hub's resolve address, or run `git lfs pull` where it comes from";
        return Refusal::new(RefusalReason::MalformedFile, message)
            .with_hint(hint)
            .into();
    }
    let excerpt = match finding.nature {
        Nature::Text => format!(
            " that starts with \"{}\"",
            shown(String::from_utf8_lossy(head).trim(), 80)
        ),
        _ => String::new(),
    };
    malformed(format!(
        "it is named .{} but is {}{excerpt}",
        name::extension(path),
        finding.format.label()
    ))
}

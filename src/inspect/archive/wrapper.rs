//! Compressed files and archives that are not zips. Their content is not read.

use std::io::Read;

use super::super::{
    finding::{Finding, Format, InspectError, WarningKind},
    name::{self, Meant},
    pickle::{self, gate::Gate},
    source::Source,
};

/// How much of a compressed file is unpacked to see what it starts with.
const LOOK: usize = 4096;

/// Judges a compressed file or archive of the given format.
pub(in super::super) fn read(
    path: &str,
    format: Format,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    if format == Format::Tar && is_open(path) {
        return super::tar::read(source, gate);
    }
    let mut finding = Finding::new(format);
    let hidden = !is_open(path) || starts_with_pickle(format, source)?;
    if hidden {
        let message = format!(
            "it is {}, which can hide a pickle from being checked",
            format.label()
        );
        gate.refuse_hidden(message, &mut finding)?;
    } else {
        finding.warn(
            WarningKind::NotChecked,
            format!(
                "it is {}, and what is inside was not checked",
                format.label()
            ),
        );
    }
    Ok(finding)
}

/// Whether the name says that this is an archive, and of something that no loader takes for
/// weights: `corpus.tar.gz`, `log.txt.bz2`, `photos.7z`; not `model.gz` or `model.pkl.xz`.
fn is_open(path: &str) -> bool {
    let whole_archive = matches!(
        name::extension(path).as_str(),
        "tar" | "7z" | "rar" | "tgz" | "tbz" | "tbz2" | "txz" | "tzst" | "svgz" | "npm" | "egg"
    );
    let inner = name::without_extension(path);
    // `model.pth.tar` is what many training scripts call a checkpoint.
    let whole_archive = whole_archive && !name::meant(inner).is_weights();
    match name::meant(path) {
        Meant::Archive if whole_archive => true,
        Meant::Archive => !name::extension(inner).is_empty() && !name::meant(inner).is_weights(),
        _ => false,
    }
}

fn starts_with_pickle(format: Format, source: &mut Source<'_>) -> Result<bool, InspectError> {
    let packed = source.bytes_at(0, LOOK)?;
    let mut head = Vec::new();
    // The look is cut, so the stream ends in an error; what came before it is what counts.
    let _cut = match format {
        Format::Gzip => flate2::read::GzDecoder::new(packed.as_slice())
            .take(64)
            .read_to_end(&mut head),
        Format::Zlib => flate2::read::ZlibDecoder::new(packed.as_slice())
            .take(64)
            .read_to_end(&mut head),
        _ => return Ok(false),
    };
    Ok(pickle::states_protocol(&head))
}

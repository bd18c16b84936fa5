//! Archives: what a zip holds, and compressed files that can't be looked into.
//!
//! Decided here: an archive that openly is one (`photos.zip`, `corpus.tar.gz`) is a legitimate
//! file of a data set or an asset, and its pickles are judged like any other. Under a name that
//! means weights, or none, an archive is a wrapper that some loaders open unasked (joblib,
//! pandas, torch): it is refused, because what is inside can't be vouched for.

use super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed, shown},
    magic,
    name::{self, Meant},
    npy,
    pickle::{self, AllowList, Feed, Report, gate::Gate},
    source::Source,
    torch,
    zip::{self, DEFLATED, Directory, Entry, STORED, Unpacked},
};

mod tar;
mod wrapper;

#[cfg(test)]
mod tests;

pub(super) use wrapper::read as read_wrapper;

/// How many entries of a plain archive are looked into whatever their name.
const LOOKED_INTO: usize = 10_000;
/// An entry that is walked may unpack to this many bytes, and this many times its packed size.
const UNPACKED_FREE: u64 = 32 * 1024 * 1024;
const UNPACKED_RATIO: u64 = 40;
/// A whole archive may unpack to this many bytes, and this many times its size.
const TOTAL_FREE: u64 = 1024 * 1024 * 1024;
const TOTAL_RATIO: u64 = 200;
/// DEFLATE makes at most 1032 bytes of one.
const DEFLATE_LIMIT: u64 = 1100;

/// The part of an entry's name after its last slash.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Reads and judges a file that starts as a zip.
pub(super) fn read_zip(
    path: &str,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let directory = zip::directory(source)?;
    if let Some(checkpoint) = torch::Checkpoint::find(&directory)
        && name::meant(path) != Meant::Archive
    {
        return torch::read_zip(&checkpoint, &directory, source, gate);
    }
    let files = || directory.entries.iter().filter(|entry| !entry.is_folder());
    let arrays = files().count() > 0 && files().all(|entry| name::extension(&entry.name) == "npy");
    let meant = name::meant(path);
    match (arrays, meant, name::extension(path).as_str()) {
        (true, _, _) => read_plain(Format::Npz, &directory, source, gate),
        (_, Meant::Pickled, _) | (_, _, "bin" | "safetensors" | "gguf" | "onnx") => Err(malformed(
            "it is a zip archive, but not a PyTorch checkpoint: it has no data.pkl",
        )),
        (_, Meant::Weights, _) => {
            let mut finding = read_plain(Format::UnknownWeights, &directory, source, gate)?;
            finding.warn(WarningKind::RunsElsewhere, "it is an archive of weights and configuration, which may name code that its loader runs");
            Ok(finding)
        }
        _ => read_plain(Format::Zip, &directory, source, gate),
    }
}

fn read_plain(
    format: Format,
    directory: &Directory,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let mut judge = Judge::new(Finding::new(format), gate);
    let strict = format != Format::Zip;
    judge.fault = if strict { directory.fault() } else { None };
    judge.open = !strict;
    judge.check_total(directory, source.size());
    for (index, entry) in directory.in_order().enumerate() {
        if entry.is_folder() {
            judge.folder(directory, entry, source)?;
            continue;
        }
        judge.check_entry(entry);
        if strict || index < LOOKED_INTO || name::meant(&entry.name).is_weights() {
            judge.entry(directory, entry, source)?;
        } else if index == LOOKED_INTO {
            judge.finding.warn(
                WarningKind::NotChecked,
                format!("only the first {LOOKED_INTO} of its entries were looked into"),
            );
        }
    }
    match judge.fault {
        Some(fault) => Err(malformed(fault)),
        None => Ok(judge.finding),
    }
}

/// Judges the entries of one zip. What would run comes first: a fault of the container is kept
/// until every pickle was walked.
pub(super) struct Judge<'g> {
    pub(super) finding: Finding,
    /// The first fault of the container.
    pub(super) fault: Option<String>,
    /// Where the entries that were looked at end.
    reached: u64,
    /// A plain archive: nested archives and odd entries are warned of, not refused.
    open: bool,
    gate: Gate<'g>,
}

impl<'g> Judge<'g> {
    pub(super) fn new(finding: Finding, gate: Gate<'g>) -> Self {
        Self {
            finding,
            fault: None,
            reached: 0,
            open: false,
            gate,
        }
    }

    /// Notes faults that the directory alone tells of an entry.
    pub(super) fn check_entry(&mut self, entry: &Entry) {
        let name = || shown(&entry.name, 120);
        if entry.escapes() {
            self.note(format!(
                "its entry `{}` would be unpacked outside its folder",
                name()
            ));
        } else if entry.is_symlink() {
            self.note_or_warn(format!("its entry `{}` is a symbolic link", name()));
        } else if entry.is_hidden() {
            self.note_or_warn(format!(
                "its entry `{}` is encrypted, or marked so that it can't be checked",
                name()
            ));
        } else if entry.is_renamed() {
            self.note_or_warn(format!("its entry `{}` has a second name", name()));
        }
    }

    fn note(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    fn note_or_warn(&mut self, fault: String) {
        if !self.open {
            self.note(fault);
        } else if !self
            .finding
            .warnings
            .iter()
            .any(|warning| warning.kind == WarningKind::Odd)
        {
            self.finding.warn(WarningKind::Odd, fault);
        }
    }

    /// Notes an archive that would unpack to far more than it is, before anything is unpacked.
    pub(super) fn check_total(&mut self, directory: &Directory, size: u64) {
        let total = directory
            .entries
            .iter()
            .fold(0_u64, |total, entry| total.saturating_add(entry.size));
        let most = size.saturating_mul(TOTAL_RATIO).saturating_add(TOTAL_FREE);
        let lie = directory.entries.iter().find(|entry| {
            entry.size
                > entry
                    .packed()
                    .saturating_mul(DEFLATE_LIMIT)
                    .saturating_add(64)
        });
        if let Some(entry) = lie {
            self.note(format!(
                "its entry `{}` unpacks to {} bytes from {}, which no packing can do",
                shown(&entry.name, 120),
                entry.size,
                entry.packed()
            ));
        } else if total > most {
            self.note(format!(
                "it is a zip bomb: {size} bytes that unpack to {total}"
            ));
        }
    }

    /// Passes a folder, whose header lies among the others.
    pub(super) fn folder(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        let located = directory.locate(entry, source)?;
        self.check_gap(entry, entry.header_at());
        self.reached = located.end;
        Ok(())
    }

    /// Notes bytes between entries, where a reader that goes from header to header finds more.
    fn check_gap(&mut self, entry: &Entry, from: u64) {
        if self.open {
            return;
        }
        if self.reached != from {
            self.note(format!(
                "the bytes from {} before its entry `{}` at byte {from} belong to no entry",
                self.reached,
                shown(&entry.name, 120)
            ));
        }
    }

    /// Looks at an entry by name and first bytes, and walks it if it may be a pickle.
    pub(super) fn entry(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<Option<Report>, InspectError> {
        let located = directory.locate(entry, source)?;
        self.check_gap(entry, entry.header_at());
        self.reached = located.end;
        if let Some(fault) = located.fault {
            self.note_or_warn(fault);
        }
        if !matches!(entry.method, STORED | DEFLATED) {
            self.note_or_warn(format!(
                "its entry `{}` is packed by method {}, which could not be looked into",
                shown(&entry.name, 120),
                entry.method
            ));
        }
        let what = format!("its entry `{}`", shown(&entry.name, 120));
        let head = first_bytes(entry, &located.head);
        let extension = name::extension(&entry.name);
        let meant = name::meant(&entry.name);
        if head.starts_with(npy::MAGIC) || extension == "npy" {
            self.array(&what, entry, located.data_at, source)?;
            return Ok(None);
        }
        if let Some(format) =
            magic::by_magic(&head, entry.size).filter(|format| is_container(*format))
        {
            self.nested(&what, meant, format)?;
            return Ok(None);
        }
        let named = matches!(extension.as_str(), "pkl" | "pickle");
        let pickled = meant == Meant::Pickled && pickle::may_start(head.first());
        if named || pickled || pickle::states_protocol(&head) {
            return self
                .pickle(&what, named, entry, located.data_at, source)
                .map(Some);
        }
        if (meant.is_weights() || meant == Meant::Nothing) && pickle::may_start(head.first()) {
            self.program(&what, entry, located.data_at, source)?;
        }
        Ok(None)
    }

    /// Walks bytes that may be a pickle of an old protocol: only one that would run something
    /// counts.
    fn program(
        &mut self,
        what: &str,
        entry: &Entry,
        at: u64,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        self.check_expansion(what, entry)?;
        let Some(mut bytes) = Unpacked::new(entry, at, source) else {
            return Ok(());
        };
        let report = pickle::walk_all(&mut Feed::new(&mut bytes), self.gate.extra)?;
        if report.is_hostile_program() {
            self.gate.judge(what, &report, &mut self.finding)?;
        }
        Ok(())
    }

    /// Looks at raw bytes of a storage, which may start like a pickle by chance: only one that
    /// would run something counts.
    pub(super) fn raw(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        let located = directory.locate(entry, source)?;
        self.check_gap(entry, entry.header_at());
        self.reached = located.end;
        if let Some(fault) = located.fault {
            self.note(fault);
        }
        if !pickle::states_protocol(&first_bytes(entry, &located.head)) {
            return Ok(());
        }
        self.program(
            &format!("its entry `{}`", shown(&entry.name, 120)),
            entry,
            located.data_at,
            source,
        )
    }

    fn pickle(
        &mut self,
        what: &str,
        named: bool,
        entry: &Entry,
        at: u64,
        source: &mut Source<'_>,
    ) -> Result<Report, InspectError> {
        self.gate.admit(&format!("{what} is a pickle"))?;
        self.check_expansion(what, entry)?;
        let (report, whole) = walk_entry(entry, at, source, self.gate.extra)?.ok_or_else(|| {
            malformed(format!(
                "{what} is packed by a method that PyTorch does not know"
            ))
        })?;
        // By its first bytes alone it may be no pickle at all.
        let by_chance = !named && self.open && report.violations.is_empty();
        if !by_chance {
            self.gate.judge(what, &report, &mut self.finding)?;
        }
        if !whole {
            self.note(format!("{what} does not match its checksum"));
        }
        Ok(report)
    }

    fn array(
        &mut self,
        what: &str,
        entry: &Entry,
        at: u64,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        let unknown = || {
            malformed(format!(
                "{what} is packed by a method that NumPy does not know"
            ))
        };
        let mut bytes = Unpacked::new(entry, at, source).ok_or_else(unknown)?;
        let mut feed = Feed::new(&mut bytes);
        let start = feed.peek()?;
        if start != npy::MAGIC.first().copied() {
            // NumPy takes what has no magic for a pickle.
            self.pickle(what, true, entry, at, source)?;
            return Ok(());
        }
        let finding = npy::read(what, &mut feed, self.gate)?;
        self.finding.warnings.extend(finding.warnings);
        Ok(())
    }

    fn nested(&mut self, what: &str, meant: Meant, format: Format) -> Result<(), InspectError> {
        let message = format!(
            "{what} is {} inside the archive, which was not looked into",
            format.label()
        );
        if !self.open || meant.is_weights() {
            return self.gate.refuse_hidden(message, &mut self.finding);
        }
        if !self
            .finding
            .warnings
            .iter()
            .any(|warning| warning.kind == WarningKind::NotChecked)
        {
            self.finding.warn(WarningKind::NotChecked, message);
        }
        Ok(())
    }

    fn check_expansion(&mut self, what: &str, entry: &Entry) -> Result<(), InspectError> {
        let most = entry
            .packed()
            .saturating_mul(UNPACKED_RATIO)
            .saturating_add(UNPACKED_FREE);
        if entry.method == STORED || entry.size <= most {
            return Ok(());
        }
        self.gate.refuse_hidden(
            format!("{what} unpacks to {} bytes, too much to check", entry.size),
            &mut self.finding,
        )
    }
}

/// Walks an entry as pickles, and says whether its bytes match its checksum.
fn walk_entry(
    entry: &Entry,
    at: u64,
    source: &mut Source<'_>,
    extra: &AllowList,
) -> Result<Option<(Report, bool)>, InspectError> {
    let Some(mut bytes) = Unpacked::new(entry, at, source) else {
        return Ok(None);
    };
    let report = pickle::walk_all(&mut Feed::new(&mut bytes), extra)?;
    let whole = bytes.finish()?;
    Ok(Some((report, whole)))
}

/// The first bytes of an entry as unpacked, from its first bytes as packed.
fn first_bytes(entry: &Entry, packed: &[u8]) -> Vec<u8> {
    if entry.method == STORED {
        return packed.to_vec();
    }
    let mut head = vec![0; 512];
    let mut inflate = flate2::Decompress::new(false);
    // A head that does not inflate has no first bytes; walking the entry will say so.
    let _cut = inflate.decompress(packed, &mut head, flate2::FlushDecompress::Sync);
    head.truncate(usize::try_from(inflate.total_out()).unwrap_or(0));
    head
}

fn is_container(format: Format) -> bool {
    matches!(
        format,
        Format::Zip
            | Format::SevenZip
            | Format::Tar
            | Format::Gzip
            | Format::Bzip2
            | Format::Xz
            | Format::Lzma
            | Format::Zlib
            | Format::Zstd
            | Format::Lz4
            | Format::Rar
    )
}

//! The entries of one zip, judged one after another.

use super::{
    super::{
        finding::{Finding, Format, InspectError, WarningKind, malformed, shown},
        magic,
        name::{self, Meant},
        npy,
        pickle::{self, AllowList, Feed, Report, gate::Gate},
        source::Source,
        zip::{DEFLATED, Directory, Entry, Located, STORED, Unpacked},
    },
    is_container, nested,
};

/// An entry that is walked may unpack to this many bytes, and this many times its packed size.
const UNPACKED_FREE: u64 = 32 * 1024 * 1024;
const UNPACKED_RATIO: u64 = 40;
/// A deflated archive in an archive is unpacked into memory up to this size.
const INNER_UNPACKED: u64 = 16 * 1024 * 1024;
/// A whole archive may unpack to this many bytes, and this many times its size.
const TOTAL_FREE: u64 = 1024 * 1024 * 1024;
const TOTAL_RATIO: u64 = 200;
/// DEFLATE makes at most 1032 bytes of one.
const DEFLATE_LIMIT: u64 = 1100;

/// Judges the entries of one zip. What would run comes first: a fault of the container is kept
/// until every pickle was walked.
pub(in super::super) struct Judge<'g> {
    pub(in super::super) finding: Finding,
    /// The first fault of the container.
    pub(in super::super) fault: Option<String>,
    /// Where the entries that were looked at end.
    reached: u64,
    /// A plain archive: nested archives and odd entries are warned of, not refused.
    pub(super) open: bool,
    gate: Gate<'g>,
}

impl<'g> Judge<'g> {
    pub(in super::super) fn new(finding: Finding, gate: Gate<'g>) -> Self {
        Self {
            finding,
            fault: None,
            reached: 0,
            open: false,
            gate,
        }
    }

    /// Notes faults that the directory alone tells of an entry.
    pub(in super::super) fn check_entry(&mut self, entry: &Entry) {
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

    pub(super) fn note_or_warn(&mut self, fault: String) {
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
    pub(in super::super) fn check_total(&mut self, directory: &Directory, size: u64) {
        let total = directory
            .entries
            .iter()
            .fold(0_u64, |total, entry| total.saturating_add(entry.size));
        let most = size.saturating_mul(TOTAL_RATIO).saturating_add(TOTAL_FREE);
        let lie = directory.entries.iter().find(|entry| {
            let most = match entry.method {
                STORED => entry.packed(),
                DEFLATED => entry
                    .packed()
                    .saturating_mul(DEFLATE_LIMIT)
                    .saturating_add(64),
                _ => u64::MAX,
            };
            entry.size > most
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
    pub(in super::super) fn folder(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        self.reach(directory, entry, source).map(drop)
    }

    /// Goes on to an entry, and past it.
    fn reach(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<Located, InspectError> {
        let located = directory.locate(entry, source)?;
        self.check_gap(entry, entry.header_at());
        self.reached = located.end;
        Ok(located)
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
    pub(in super::super) fn entry(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<Option<Report>, InspectError> {
        let located = self.reach(directory, entry, source)?;
        if let Some(fault) = located.fault {
            self.note_or_warn(fault);
        }
        let what = format!("its entry `{}`", shown(&entry.name, 120));
        if !matches!(entry.method, STORED | DEFLATED) {
            self.note_or_warn(format!(
                "{what} is packed by method {}, which could not be looked into",
                entry.method
            ));
        }
        let head = first_bytes(entry, &located.head);
        self.content(&what, &head, entry, located.data_at, source)
    }

    /// Judges an entry's content by its first bytes and its name.
    fn content(
        &mut self,
        what: &str,
        head: &[u8],
        entry: &Entry,
        at: u64,
        source: &mut Source<'_>,
    ) -> Result<Option<Report>, InspectError> {
        let extension = name::extension(&entry.name);
        let meant = name::meant(&entry.name);
        if head.starts_with(npy::MAGIC) || extension == "npy" {
            self.array(what, entry, at, source)?;
            return Ok(None);
        }
        let container = magic::by_magic(head, entry.size).filter(|format| is_container(*format));
        if let Some(format) = container {
            if format == Format::Zip && self.open && !self.gate.inside {
                self.inner_zip(what, entry, at, source)?;
            } else {
                self.nested(what, meant, format)?;
            }
            return Ok(None);
        }
        let may_start = pickle::may_start(head.first());
        let named = matches!(extension.as_str(), "pkl" | "pickle");
        if named || (meant == Meant::Pickled && may_start) || pickle::states_protocol(head) {
            return self.pickle(what, named, entry, at, source).map(Some);
        }
        if (meant.is_weights() || meant == Meant::Nothing) && may_start {
            self.program(what, entry, at, source)?;
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
        if !self.may_unpack(what, entry, source)? {
            return Ok(());
        }
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
    pub(in super::super) fn raw(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        let located = self.reach(directory, entry, source)?;
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
        if !self.may_unpack(what, entry, source)? {
            return Ok(Report::default());
        }
        let (report, whole) = walk_entry(entry, at, source, self.gate.extra)?.ok_or_else(|| {
            malformed(format!(
                "{what} is packed by a method that PyTorch does not know"
            ))
        })?;
        // By its first bytes alone it may be no pickle at all.
        let by_chance =
            !named && self.open && report.violations.is_empty() && !report.is_hostile_program();
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

    /// Judges a zip in an openly named zip as the file it is: data sets are full of them.
    fn inner_zip(
        &mut self,
        what: &str,
        entry: &Entry,
        at: u64,
        source: &mut Source<'_>,
    ) -> Result<(), InspectError> {
        if entry.method == DEFLATED && entry.size > INNER_UNPACKED {
            return self.nested(what, name::meant(&entry.name), Format::Zip);
        }
        if !self.may_unpack(what, entry, source)? {
            return Ok(());
        }
        let judged = if entry.method == STORED {
            nested::part(&entry.name, source, at, entry.packed(), self.gate)
        } else {
            let bytes = nested::unpacked(entry, at, source)?;
            nested::bytes(&entry.name, source, &bytes, self.gate)
        };
        let finding = judged.map_err(|error| nested::named(what, error))?;
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

    /// Whether an entry may be walked: alone and with those before it, it stays in bounds. Where
    /// it does not it is refused, or let through unseen where anything is.
    fn may_unpack(
        &mut self,
        what: &str,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<bool, InspectError> {
        let most = entry
            .packed()
            .saturating_mul(UNPACKED_RATIO)
            .saturating_add(UNPACKED_FREE);
        let fits = entry.method == STORED || entry.size <= most;
        if fits && source.may_unpack(entry.size) {
            return Ok(true);
        }
        let message = format!("{what} unpacks to {} bytes, too much to check", entry.size);
        self.gate.refuse_hidden(message, &mut self.finding)?;
        Ok(false)
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

//! Tar: its members are looked at one after another, as far as they can hide a pickle.

use super::super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed, shown},
    magic,
    name::{self, Meant},
    pickle::{self, Feed, Region, gate::Gate},
    source::Source,
};

const BLOCK: u64 = 512;
/// Most members that are looked at.
const MAX_MEMBERS: usize = 10_000;
/// How much of a member is looked at to tell what it is.
const LOOK: usize = 512;

/// Judges an openly named tar by what it holds.
pub(super) fn read(source: &mut Source<'_>, gate: Gate<'_>) -> Result<Finding, InspectError> {
    let mut finding = Finding::new(Format::Tar);
    let mut at = 0;
    let mut of_torch = 0;
    for _ in 0..MAX_MEMBERS {
        let Some(member) = Member::read(source, at)? else {
            return Ok(finding);
        };
        of_torch += usize::from(matches!(
            member.name.as_str(),
            "pickle" | "storages" | "tensors"
        ));
        if of_torch == 3 {
            gate.refuse_hidden(
                "it is a tar archive that old PyTorch versions load as a checkpoint, pickle and all".to_owned(),
                &mut finding,
            )?;
        }
        member.judge(source, gate, &mut finding)?;
        at = member.next;
    }
    finding.warn(
        WarningKind::NotChecked,
        format!("only the first {MAX_MEMBERS} of its members were looked into"),
    );
    Ok(finding)
}

struct Member {
    name: String,
    data_at: u64,
    length: u64,
    next: u64,
}

impl Member {
    /// The member whose header is at `at`; `None` at the end of the archive.
    fn read(source: &mut Source<'_>, at: u64) -> Result<Option<Self>, InspectError> {
        let header = source.bytes_at(at, 512)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let cut = || malformed(format!("the tar archive is cut at byte {at}"));
        let (name, rest) = header.split_at_checked(100).ok_or_else(cut)?;
        let length = rest.get(24..36).and_then(number).ok_or_else(|| {
            malformed(format!(
                "the tar member at byte {at} has a size that is no number"
            ))
        })?;
        let data_at = at + BLOCK;
        let end = data_at
            .checked_add(length)
            .filter(|end| *end <= source.size());
        let end = end.ok_or_else(cut)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            data_at,
            length,
            next: end.next_multiple_of(BLOCK),
        }))
    }

    fn judge(
        &self,
        source: &mut Source<'_>,
        gate: Gate<'_>,
        finding: &mut Finding,
    ) -> Result<(), InspectError> {
        let end = self.data_at + self.length;
        let mut head = source.bytes_at(self.data_at, LOOK)?;
        head.truncate(usize::try_from(self.length).unwrap_or(LOOK));
        let what = format!("its member `{}`", shown(&self.name, 120));
        let meant = name::meant(&self.name);
        let container =
            magic::by_magic(&head, self.length).filter(|format| super::is_container(*format));
        if let Some(format) = container {
            return nested(&what, meant, format, gate, finding);
        }
        if !pickle::may_start(head.first()) {
            return Ok(());
        }
        let mut region = Region::new(source, self.data_at, end);
        let report = pickle::walk_all(&mut Feed::new(&mut region), gate.extra)?;
        if report.is_hostile_program() {
            gate.admit(&format!("{what} can be read as a Python pickle"))?;
            gate.judge(&what, &report, finding)?;
        }
        Ok(())
    }
}

fn nested(
    what: &str,
    meant: Meant,
    format: Format,
    gate: Gate<'_>,
    finding: &mut Finding,
) -> Result<(), InspectError> {
    let message = format!(
        "{what} is {} inside the archive, which was not looked into",
        format.label()
    );
    if meant.is_weights() {
        return gate.refuse_hidden(message, finding);
    }
    if !finding
        .warnings
        .iter()
        .any(|warning| warning.kind == WarningKind::NotChecked)
    {
        finding.warn(WarningKind::NotChecked, message);
    }
    Ok(())
}

/// A number in octal digits, or in base 256 where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest.iter().try_fold(0_u64, |n, byte| {
            n.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let digits = field
        .split(|byte| matches!(byte, 0 | b' '))
        .find(|part| !part.is_empty());
    let text = std::str::from_utf8(digits.unwrap_or(b"0")).ok()?;
    u64::from_str_radix(text, 8).ok()
}

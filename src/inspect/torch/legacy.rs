//! The format of `torch.save` before 1.6: five pickles, then the storages.
//!
//! The pickles are a magic number, a protocol version, facts about the machine, the object, and
//! the list of storage keys. Each storage follows as its element count in 8 bytes and its raw
//! data (`torch/serialization.py`, `_legacy_load`).

use std::collections::BTreeSet;

use super::super::{
    finding::{Finding, Format, InspectError, malformed, shown},
    pickle::{self, End, Feed, Region, Report, gate::Gate, opcodes},
    source::Source,
};

/// `0x1950a86a20f9469cfc6c` as the operand of LONG1.
const MAGIC: [u8; 12] = [
    opcodes::LONG1,
    10,
    0x6c,
    0xfc,
    0x9c,
    0x46,
    0xf9,
    0x20,
    0x6a,
    0xa8,
    0x50,
    0x19,
];
const PROTOCOL_VERSION: i64 = 1001;

/// Whether the first bytes are PROTO, perhaps FRAME, and the magic number written out.
pub(in super::super) fn starts(head: &[u8]) -> bool {
    let Some(rest) = head.get(2..).filter(|_| pickle::states_protocol(head)) else {
        return false;
    };
    let after_frame = rest
        .first()
        .filter(|byte| **byte == opcodes::FRAME)
        .and_then(|_| rest.get(9..));
    rest.starts_with(&MAGIC) || after_frame.is_some_and(|rest| rest.starts_with(&MAGIC))
}

/// Reads and judges a file for which [`starts`] said yes.
pub(in super::super) fn read(
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let mut finding = Finding::new(Format::TorchLegacy);
    gate.admit("it is a legacy PyTorch checkpoint, which is a pickle")?;
    let size = source.size();
    let mut region = Region::new(source, 0, size);
    let mut feed = Feed::new(&mut region);

    let magic = pickle::walk(&mut feed, gate.extra)?;
    gate.judge("its magic number", &magic, &mut finding)?;
    let version = pickle::walk(&mut feed, gate.extra)?;
    gate.judge("its version", &version, &mut finding)?;
    let machine = pickle::walk(&mut feed, gate.extra)?;
    gate.judge("its system facts", &machine, &mut finding)?;
    let object = pickle::walk(&mut feed, gate.extra)?;
    gate.judge("its object pickle", &object, &mut finding)?;
    let keys = pickle::walk_list(&mut feed, gate.extra)?;
    gate.judge("its list of storages", &keys, &mut finding)?;

    if [&magic, &version, &machine, &object, &keys]
        .iter()
        .any(|report| report.end != End::Stopped)
    {
        // Let through by the operator although it does not load: there is nothing more to compare.
        return Ok(finding);
    }
    if version.number() != Some(PROTOCOL_VERSION) || !machine.is_dict() {
        return Err(malformed(
            "it is not a PyTorch checkpoint of a known version",
        ));
    }
    check_storages(&object, &keys, &mut feed)?;
    finding.facts = object.census.facts();
    finding.facts.tensors = Some(object.tensors);
    Ok(finding)
}

fn check_storages(object: &Report, keys: &Report, feed: &mut Feed<'_>) -> Result<(), InspectError> {
    let keys = keys
        .texts()
        .ok_or_else(|| malformed("its list of storages is not a list"))?;
    let distinct: BTreeSet<_> = keys.iter().collect();
    if distinct.len() != keys.len() || distinct.len() != object.storages.len() {
        return Err(malformed(format!(
            "it lists {} storages and its tensors use {}",
            keys.len(),
            object.storages.len()
        )));
    }
    for key in &keys {
        let place = feed.position();
        let name = shown(key, 40);
        let storage = object.storages.get(key).ok_or_else(|| {
            malformed(format!(
                "it lists the storage `{name}`, which no tensor uses"
            ))
        })?;
        let cut = || {
            malformed(format!(
                "the legacy checkpoint is cut at the storage `{name}`, byte {place}"
            ))
        };
        let elements = u64::from_le_bytes(feed.array()?.ok_or_else(cut)?);
        if elements != storage.elements {
            return Err(malformed(format!(
                "the storage `{name}` has {elements} elements at byte {place} and should have {}",
                storage.elements
            )));
        }
        let bytes = storage
            .bytes()
            .ok_or_else(|| malformed(format!("the storage `{name}` is too large to be real")))?;
        if !feed.skip(bytes)? {
            return Err(cut());
        }
    }
    match feed.left() {
        0 => Ok(()),
        more => Err(malformed(format!("{more} bytes follow its last storage"))),
    }
}

//! Core ML: a protobuf `Model` without a magic number, known by its top-level fields.
//!
//! Field numbers from `Model.proto` in Apple's coremltools.

use super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed},
    protobuf::{self, BYTES, Messages, NUMBER},
    source::Source,
};

const VERSION: u64 = 1;
const DESCRIPTION: u64 = 2;
const IS_UPDATABLE: u64 = 10;
/// The fields of which a model has exactly one: its sort, from pipelines to programs.
const SORTS: std::ops::RangeInclusive<u64> = 200..=3000;
const MAX_FIELDS: u64 = 64;

/// Whether the whole file reads as a Core ML model.
pub(super) fn claims(source: &mut Source<'_>) -> Result<bool, InspectError> {
    Ok(protobuf::answer(read(source))?)
}

/// Reads and checks the top level of a model.
pub(super) fn read(source: &mut Source<'_>) -> Result<Finding, InspectError> {
    let mut messages = Messages::new(source, "Core ML", MAX_FIELDS);
    let (mut version, mut description, mut sorts) = (None, false, 0);
    while let Some(field) = messages.next(messages.end())? {
        match (field.number, field.wire) {
            (VERSION, NUMBER) => version = Some(field.value),
            (DESCRIPTION, BYTES) => description = true,
            (IS_UPDATABLE, NUMBER) => {}
            (sort, BYTES) if SORTS.contains(&sort) => sorts += 1,
            (other, _) => {
                return Err(malformed(format!(
                    "it is not a Core ML model: field {other} at byte {} is none of its fields",
                    field.at
                )));
            }
        }
        messages.skip(field)?;
    }
    if !matches!(version, Some(1..=32)) || !description || sorts != 1 {
        return Err(malformed(
            "it is not a Core ML model: a version, a description and one network should be there",
        ));
    }
    let mut finding = Finding::new(Format::CoreMl);
    finding.warn(
        WarningKind::NotChecked,
        "the Core ML network itself was not checked",
    );
    Ok(finding)
}

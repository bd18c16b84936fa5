//! ONNX: a protobuf `ModelProto` without a magic number, known by its top-level fields.
//!
//! Field numbers from `onnx/onnx.proto`. Only the top level is walked; the graph is skipped, so
//! the cost is a few reads whatever the size.

use super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed},
    source::{Cursor, Source},
};

#[cfg(test)]
mod tests;

const IR_VERSION: u64 = 1;
const GRAPH: u64 = 7;
/// Every field of `ModelProto`, with its wire type: ir_version, producer name and version,
/// domain, model_version, doc_string, graph, opset_import, metadata_props, training_info,
/// functions, configuration.
const FIELDS: [(u64, u64); 12] = [
    (1, 0),
    (2, 2),
    (3, 2),
    (4, 2),
    (5, 0),
    (6, 2),
    (7, 2),
    (8, 2),
    (14, 2),
    (20, 2),
    (25, 2),
    (26, 2),
];
/// Most top-level fields; real models have some hundreds (metadata, functions).
const MAX_FIELDS: usize = 100_000;

/// Whether the whole file reads as an ONNX model.
pub(super) fn claims(source: &mut Source<'_>) -> Result<bool, InspectError> {
    match read(source) {
        Ok(_) => Ok(true),
        Err(InspectError::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads and checks the top level of a model.
pub(super) fn read(source: &mut Source<'_>) -> Result<Finding, InspectError> {
    let mut cursor = Cursor::new(source, 0, "ONNX");
    let mut version = None;
    let mut graphs = 0;
    let mut fields = 0;
    while cursor.left() > 0 {
        let tag = varint(&mut cursor)?;
        let (field, wire) = (tag >> 3, tag & 7);
        fields += 1;
        if !FIELDS.contains(&(field, wire)) || fields > MAX_FIELDS {
            return Err(malformed(format!(
                "it is not an ONNX model: field {field} at byte {} is none of ONNX's",
                cursor.position()
            )));
        }
        let value = varint(&mut cursor)?;
        match field {
            IR_VERSION => version = Some(value),
            GRAPH => graphs += 1,
            _ => {}
        }
        if wire == 2 {
            cursor.skip(value)?;
        }
    }
    match (version, graphs) {
        (Some(1..=64), 1) => {}
        _ => {
            return Err(malformed(
                "it is not an ONNX model: a version and one graph should be there",
            ));
        }
    }
    let mut finding = Finding::new(Format::Onnx);
    finding.warn(
        WarningKind::NotChecked,
        "the ONNX graph itself was not checked",
    );
    Ok(finding)
}

fn varint(cursor: &mut Cursor<'_, '_>) -> Result<u64, InspectError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = cursor.array()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed(format!(
        "the ONNX file has a number without an end at byte {}",
        cursor.position()
    )))
}

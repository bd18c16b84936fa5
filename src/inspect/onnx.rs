//! ONNX: a protobuf `ModelProto` without a magic number, known by its top-level fields.
//!
//! Field numbers from `onnx/onnx.proto`. The skeleton is walked: the model, its graph, and the
//! tensors that the graph starts with. What the nodes compute is not judged.

use super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed, shown},
    protobuf::{self, BYTES, Field, Messages, NUMBER},
    source::Source,
};

mod tensor;
#[cfg(test)]
mod tests;

use tensor::Tensors;

const IR_VERSION: u64 = 1;
const PRODUCER: u64 = 2;
const GRAPH: u64 = 7;
/// Every field of `ModelProto`, with its wire type: ir_version, producer name and version,
/// domain, model_version, doc_string, graph, opset_import, metadata_props, training_info,
/// functions, configuration.
const FIELDS: [(u64, u64); 12] = [
    (1, NUMBER),
    (2, BYTES),
    (3, BYTES),
    (4, BYTES),
    (5, NUMBER),
    (6, BYTES),
    (7, BYTES),
    (8, BYTES),
    (14, BYTES),
    (20, BYTES),
    (25, BYTES),
    (26, BYTES),
];
const GRAPH_NODE: u64 = 1;
const GRAPH_INITIALIZER: u64 = 5;
/// Most fields that are walked; large real models have some hundred thousand.
const MAX_FIELDS: u64 = 5_000_000;

/// Whether the top level of the file reads as an ONNX model.
pub(super) fn claims(source: &mut Source<'_>) -> Result<bool, InspectError> {
    Ok(protobuf::answer(walk(source, false))?)
}

/// Reads and checks a model.
pub(super) fn read(source: &mut Source<'_>) -> Result<Finding, InspectError> {
    walk(source, true)
}

fn walk(source: &mut Source<'_>, graphs_too: bool) -> Result<Finding, InspectError> {
    let mut messages = Messages::new(source, "ONNX", MAX_FIELDS);
    let mut finding = Finding::new(Format::Onnx);
    let mut tensors = Tensors::default();
    let mut version = None;
    let mut graphs = 0;
    while let Some(field) = messages.next(messages.end())? {
        if !FIELDS.contains(&(field.number, field.wire)) {
            return Err(malformed(format!(
                "it is not an ONNX model: field {} at byte {} is none of its fields",
                field.number, field.at
            )));
        }
        match field.number {
            IR_VERSION => version = Some(field.value),
            PRODUCER => {
                let name = messages.take(field, 200)?;
                finding.note("producer", &String::from_utf8_lossy(&name));
            }
            GRAPH if graphs_too => {
                graphs += 1;
                graph(&mut messages, field, &mut tensors)?;
            }
            GRAPH => {
                graphs += 1;
                messages.skip(field)?;
            }
            _ => messages.skip(field)?,
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
    let outside = tensors.outside.take();
    finding.facts = tensors.census.facts();
    if let Some(place) = &outside {
        finding.warn(
            WarningKind::Odd,
            format!("it keeps weights in another file, `{}`", shown(place, 120)),
        );
    }
    finding.warn(
        WarningKind::NotChecked,
        "what the ONNX graph computes was not checked",
    );
    Ok(finding)
}

fn graph(
    messages: &mut Messages<'_, '_>,
    graph: Field,
    tensors: &mut Tensors,
) -> Result<(), InspectError> {
    let end = messages.position() + graph.value;
    while let Some(field) = messages.next(end)? {
        match (field.number, field.wire) {
            (GRAPH_INITIALIZER, BYTES) => tensors.read(messages, field)?,
            (GRAPH_NODE, wire) if wire != BYTES => {
                return Err(malformed(format!(
                    "the ONNX graph has a node at byte {} that is no message",
                    field.at
                )));
            }
            _ => messages.skip(field)?,
        }
    }
    Ok(())
}

//! `TensorProto`: its shape against its bytes, and where it says its bytes are.

use crate::inspect::{
    facts::Census,
    finding::{InspectError, malformed, shown},
    protobuf::{BYTES, Field, Messages, NUMBER},
};

const DIMENSIONS: u64 = 1;
const TYPE: u64 = 2;
const NAME: u64 = 8;
const RAW: u64 = 9;
const EXTERNAL: u64 = 13;
/// Most dimensions that are multiplied out.
const MAX_DIMENSIONS: usize = 64;

/// What the tensors of a graph told so far.
#[derive(Default)]
pub(super) struct Tensors {
    pub(super) census: Census,
    /// The first other file that a tensor's bytes are in.
    pub(super) outside: Option<String>,
}

/// What a tensor says of itself.
struct Told {
    name: String,
    kind: u64,
    elements: Option<u64>,
    dimensions: usize,
    /// Bytes of raw data; none where the numbers are kept otherwise.
    raw: u64,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: 0,
            elements: Some(1),
            dimensions: 0,
            raw: 0,
        }
    }
}

impl Told {
    fn size(&mut self, n: u64) {
        self.elements = self.elements.and_then(|product| product.checked_mul(n));
        self.dimensions += 1;
    }

    /// The type's name and the number of elements, or what is wrong.
    fn check(&self) -> Result<(&'static str, u64), String> {
        let elements = self.elements.filter(|_| self.dimensions <= MAX_DIMENSIONS);
        let elements = elements.ok_or("has a shape too large to be real")?;
        let (dtype, bits) = element(self.kind)
            .ok_or_else(|| format!("has type {}, which does not exist", self.kind))?;
        let needs = bits.map(|bits| elements.checked_mul(bits).map(|bits| bits.div_ceil(8)));
        match needs {
            Some(needs) if self.raw > 0 && needs != Some(self.raw) => Err(format!(
                "has {} bytes, which is not what its shape needs",
                self.raw
            )),
            _ => Ok((dtype, elements)),
        }
    }
}

impl Tensors {
    /// Reads a tensor and checks its bytes against its shape.
    pub(super) fn read(
        &mut self,
        messages: &mut Messages<'_, '_>,
        tensor: Field,
    ) -> Result<(), InspectError> {
        let told = self.fields(messages, tensor)?;
        let (dtype, elements) = told.check().map_err(|fault| {
            malformed(format!(
                "the ONNX tensor `{}` at byte {} {fault}",
                shown(&told.name, 80),
                tensor.at
            ))
        })?;
        self.census.count(dtype, elements);
        self.census.name(&told.name, None);
        Ok(())
    }

    fn fields(
        &mut self,
        messages: &mut Messages<'_, '_>,
        tensor: Field,
    ) -> Result<Told, InspectError> {
        let end = messages.position() + tensor.value;
        let mut told = Told::default();
        while let Some(field) = messages.next(end)? {
            match (field.number, field.wire) {
                (DIMENSIONS, NUMBER) => told.size(field.value),
                (DIMENSIONS, BYTES) => {
                    let packed = messages.position() + field.value;
                    while messages.position() < packed {
                        told.size(messages.varint()?);
                    }
                }
                (TYPE, NUMBER) => told.kind = field.value,
                (NAME, BYTES) => {
                    let name = messages.take(field, 256)?;
                    told.name = String::from_utf8_lossy(&name).into_owned();
                }
                (RAW, BYTES) => {
                    told.raw = field.value;
                    messages.skip(field)?;
                }
                (EXTERNAL, BYTES) => self.external(messages, field)?,
                _ => messages.skip(field)?,
            }
        }
        Ok(told)
    }

    /// `StringStringEntryProto`: under `location`, a path beside the model and nowhere else.
    fn external(
        &mut self,
        messages: &mut Messages<'_, '_>,
        entry: Field,
    ) -> Result<(), InspectError> {
        let end = messages.position() + entry.value;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        while let Some(field) = messages.next(end)? {
            match (field.number, field.wire) {
                (1, BYTES) => key = messages.take(field, 64)?,
                (2, BYTES) => value = messages.take(field, 4096)?,
                _ => messages.skip(field)?,
            }
        }
        if key != b"location" {
            return Ok(());
        }
        let place = String::from_utf8_lossy(&value).into_owned();
        let leaves = place.starts_with(['/', '\\'])
            || place.contains('\0')
            || place.as_bytes().get(1) == Some(&b':')
            || place.split(['/', '\\']).any(|part| part == "..");
        if leaves {
            return Err(malformed(format!(
                "the ONNX tensor entry at byte {} names the file `{}`, which lies outside the model's folder",
                entry.at,
                shown(&place, 120)
            )));
        }
        self.outside.get_or_insert(place);
        Ok(())
    }
}

/// The name of an element type and its bits, which text does not have.
fn element(kind: u64) -> Option<(&'static str, Option<u64>)> {
    Some(match kind {
        1 => ("F32", Some(32)),
        2 => ("U8", Some(8)),
        3 => ("I8", Some(8)),
        4 => ("U16", Some(16)),
        5 => ("I16", Some(16)),
        6 => ("I32", Some(32)),
        7 => ("I64", Some(64)),
        8 => ("text", None),
        9 => ("BOOL", Some(8)),
        10 => ("F16", Some(16)),
        11 => ("F64", Some(64)),
        12 => ("U32", Some(32)),
        13 => ("U64", Some(64)),
        14 => ("C64", Some(64)),
        15 => ("C128", Some(128)),
        16 => ("BF16", Some(16)),
        17 | 18 => ("F8_E4M3", Some(8)),
        19 | 20 => ("F8_E5M2", Some(8)),
        21 => ("U4", Some(4)),
        22 => ("I4", Some(4)),
        23 => ("F4", Some(4)),
        24 => ("F8_E8M0", Some(8)),
        25 => ("U2", Some(2)),
        26 => ("I2", Some(2)),
        _ => return None,
    })
}

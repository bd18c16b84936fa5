//! The GGUF header, versions 2 and 3, either byte order.
//!
//! Layout from the GGUF specification in the ggml repository (`docs/gguf.md`): magic, version,
//! counts, key-value pairs, tensor infos, then aligned tensor data. Every count is bounded by the
//! bytes that are left, so a hostile header costs no more than its own length.

use std::collections::HashSet;

use super::{
    facts::{Census, Facts, ModelType},
    finding::{Finding, Format, InspectError, WarningKind, malformed, shown},
    source::{Cursor, Source},
};

mod layout;
#[cfg(test)]
mod tests;
mod types;

use layout::{Span, check_layout};

const MAX_KEY: u64 = 65_535;
/// Longest string that is kept to be shown; longer ones are skipped.
const MAX_KEPT: u64 = 1024;
const MAX_DIMENSIONS: u32 = 4;
const MAX_NESTING: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
/// Most pairs, tensors, elements of lists and header bytes: far above those of real models, whose
/// largest part is a vocabulary, and low enough to be walked in a second.
const MAX_PAIRS: u64 = 65_536;
const MAX_TENSORS: u64 = 262_144;
const MAX_ELEMENTS: u64 = 1 << 24;
const MAX_HEADER: u64 = 512 * 1024 * 1024;
/// Least bytes of a key-value pair: key length, type, one byte of value.
const LEAST_PAIR: u64 = 8 + 4 + 1;
/// Least bytes of a tensor info: name length, dimension count, type, offset.
const LEAST_TENSOR: u64 = 8 + 4 + 4 + 8;

/// Reads and checks the header of a file that starts with `GGUF`.
pub(super) fn read(source: &mut Source<'_>) -> Result<Finding, InspectError> {
    let mut reader = Reader {
        cursor: Cursor::new(source, 4, "GGUF"),
        big_endian: false,
        elements_left: MAX_ELEMENTS,
        told: Facts::default(),
        census: Census::default(),
    };
    reader.version()?;
    let tensor_count = reader.u64()?;
    let pair_count = reader.u64()?;
    reader.check_counts(tensor_count, pair_count)?;

    let mut finding = Finding::new(Format::Gguf);
    let alignment = reader.pairs(pair_count, &mut finding)?;
    let tensors = reader.tensors(tensor_count, &mut finding)?;
    let data_start = reader.cursor.position().checked_next_multiple_of(alignment);
    let size = reader.cursor.position() + reader.cursor.left();
    let told = std::mem::take(&mut reader.told);
    let counted = std::mem::take(&mut reader.census).facts();
    let unnamed = check_layout(tensors, alignment, data_start, size)?;
    if unnamed > alignment {
        finding.warn(
            WarningKind::Odd,
            format!("{unnamed} bytes follow the last GGUF tensor, and nothing names them"),
        );
    }
    finding.facts = Facts {
        model_type: told.model_type.or(counted.model_type),
        tensors: Some(tensor_count),
        parameters: counted.parameters,
        dtypes: counted.dtypes,
        rank: counted.rank,
        ..told
    };
    Ok(finding)
}

struct Reader<'s, 'a> {
    cursor: Cursor<'s, 'a>,
    big_endian: bool,
    elements_left: u64,
    told: Facts,
    census: Census,
}

impl Reader<'_, '_> {
    fn version(&mut self) -> Result<(), InspectError> {
        let bytes = self.cursor.array()?;
        self.big_endian = matches!(u32::from_be_bytes(bytes), 2 | 3);
        match if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        } {
            2 | 3 => Ok(()),
            other => Err(malformed(format!(
                "its GGUF version at byte 4 is {other}, and versions 2 and 3 are known"
            ))),
        }
    }

    fn check_counts(&self, tensors: u64, pairs: u64) -> Result<(), InspectError> {
        if pairs > MAX_PAIRS || tensors > MAX_TENSORS {
            return Err(malformed(format!(
                "the GGUF header claims at byte 8 to hold {tensors} tensors and {pairs} key-value pairs, and at most {MAX_TENSORS} and {MAX_PAIRS} are taken"
            )));
        }
        let least = pairs
            .checked_mul(LEAST_PAIR)
            .and_then(|bytes| tensors.checked_mul(LEAST_TENSOR)?.checked_add(bytes))
            .filter(|least| *least <= self.cursor.left());
        match least {
            Some(_) => Ok(()),
            None => Err(malformed(format!(
                "the GGUF header claims at byte 8 to hold {tensors} tensors and {pairs} key-value pairs, more than fit in the {} bytes that follow",
                self.cursor.left()
            ))),
        }
    }

    /// Walks the key-value pairs and gives the alignment of the data.
    fn pairs(&mut self, count: u64, finding: &mut Finding) -> Result<u64, InspectError> {
        let mut alignment = None;
        let mut keys = HashSet::new();
        for _ in 0..count {
            let at = self.cursor.position();
            if at > MAX_HEADER {
                return Err(malformed(format!(
                    "the GGUF header is longer than the {MAX_HEADER} bytes that are taken"
                )));
            }
            let key = self.key()?;
            let kind = self.u32()?;
            match (key.as_str(), kind) {
                ("general.alignment", types::U32) => alignment = Some(u64::from(self.u32()?)),
                ("general.file_type", types::U32) => {
                    let number = self.u32()?;
                    self.told.quantization = types::file_type(number).map(str::to_owned);
                }
                (_, types::U32) if key.ends_with(".context_length") => {
                    self.told.context_length = Some(u64::from(self.u32()?));
                }
                ("general.alignment", _) => {
                    return Err(malformed(
                        "the GGUF key `general.alignment` is not a 32-bit number",
                    ));
                }
                (_, types::STRING) => self.string_pair(&key, finding)?,
                _ => self.skip_value(kind, 0)?,
            }
            if !keys.insert(hash(&key)) {
                return Err(malformed(format!(
                    "the GGUF key `{}` at byte {at} appears twice",
                    shown(&key, 80)
                )));
            }
        }
        match alignment.unwrap_or(DEFAULT_ALIGNMENT) {
            n if n.is_power_of_two() => Ok(n),
            n => Err(malformed(format!(
                "the GGUF alignment {n} is not a power of two"
            ))),
        }
    }

    fn string_pair(&mut self, key: &str, finding: &mut Finding) -> Result<(), InspectError> {
        if key.starts_with("tokenizer.chat_template") {
            finding.warn(
                WarningKind::RunsElsewhere,
                "it holds a chat template; programs that use it run it as a Jinja template",
            );
            return self.skip_string();
        }
        let length = self.u64()?;
        self.cursor.need(length)?;
        if length > MAX_KEPT {
            return self.cursor.skip(length);
        }
        let value = self.cursor.bytes(length)?;
        let value = String::from_utf8_lossy(&value);
        if key.starts_with("general.") {
            finding.note(key, &value);
        }
        self.tell(key, &value);
        Ok(())
    }

    fn tell(&mut self, key: &str, value: &str) {
        let claim = || Some(shown(value.trim(), 200)).filter(|claim| !claim.is_empty());
        match key {
            "general.architecture" if value == "clip" => {
                self.told.model_type = Some(ModelType::Projector);
                self.told.architecture = claim();
            }
            "general.architecture" => self.told.architecture = claim(),
            "general.name" => self.told.name = claim(),
            "general.license" => self.told.license = claim(),
            "general.base_model.0.name" => self.told.base_model = claim(),
            "general.type" if value == "adapter" => self.told.model_type = Some(ModelType::Lora),
            "general.type" if value == "mmproj" => {
                self.told.model_type = Some(ModelType::Projector);
            }
            _ => {}
        }
    }

    fn key(&mut self) -> Result<String, InspectError> {
        let at = self.cursor.position();
        let length = self.u64()?;
        if length > MAX_KEY {
            return Err(malformed(format!(
                "the GGUF name at byte {at} claims {length} bytes, and at most {MAX_KEY} are allowed"
            )));
        }
        let bytes = self.cursor.bytes(length)?;
        String::from_utf8(bytes)
            .map_err(|_| malformed(format!("the GGUF name at byte {at} is not UTF-8 text")))
    }

    fn skip_value(&mut self, kind: u32, nesting: u32) -> Result<(), InspectError> {
        match (types::value_size(kind), kind) {
            (Some(size), _) => self.cursor.skip(size),
            (None, types::STRING) => self.skip_string(),
            (None, types::ARRAY) if nesting < MAX_NESTING => self.skip_array(nesting),
            (None, types::ARRAY) => Err(malformed(format!(
                "a GGUF array at byte {} is nested more than {MAX_NESTING} deep",
                self.cursor.position()
            ))),
            (None, other) => Err(malformed(format!(
                "the GGUF value at byte {} has type {other}, which does not exist",
                self.cursor.position()
            ))),
        }
    }

    fn skip_array(&mut self, nesting: u32) -> Result<(), InspectError> {
        let kind = self.u32()?;
        let count = self.u64()?;
        if let Some(size) = types::value_size(kind) {
            return self.cursor.skip(count.saturating_mul(size));
        }
        let least = if kind == types::STRING { 8 } else { 12 };
        self.cursor.need(count.saturating_mul(least))?;
        self.elements_left = self.elements_left.checked_sub(count).ok_or_else(|| {
            malformed(format!(
                "the GGUF lists hold more than {MAX_ELEMENTS} elements by byte {}",
                self.cursor.position()
            ))
        })?;
        for _ in 0..count {
            self.skip_value(kind, nesting + 1)?;
        }
        if count == 0 && !matches!(kind, types::STRING | types::ARRAY) {
            return Err(malformed(format!(
                "a GGUF array before byte {} has elements of type {kind}, which does not exist",
                self.cursor.position()
            )));
        }
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), InspectError> {
        let length = self.u64()?;
        self.cursor.skip(length)
    }

    /// Walks the tensor infos and gives each one's place in the data: offset and length.
    fn tensors(&mut self, count: u64, finding: &mut Finding) -> Result<Vec<Span>, InspectError> {
        let mut names = HashSet::new();
        let mut unknown = None;
        let mut spans = Vec::new();
        for _ in 0..count {
            let at = self.cursor.position();
            let name = self.key()?;
            let fault = |fault: &str| tensor_fault(&name, at, fault);
            let (row, rows) = self.dimensions().map_err(|wrong| match wrong {
                Dimensions::Wrong(why) => fault(&why),
                Dimensions::Unread(error) => error,
            })?;
            let kind = self.u32()?;
            let offset = self.u64()?;
            if !names.insert(hash(&name)) {
                return Err(fault("appears twice"));
            }
            let length = types::tensor_bytes(kind, (row, rows)).map_err(|why| fault(&why))?;
            self.census
                .count(&types::name(kind), row.saturating_mul(rows));
            self.census.name(&name, None);
            if length.is_none() {
                unknown = Some(kind);
            }
            spans.push(Span { offset, length });
        }
        if let Some(kind) = unknown {
            finding.warn(
                WarningKind::NotChecked,
                format!("it uses the tensor type {kind}, whose size is not known here, so those tensors' ends were not checked"),
            );
        }
        Ok(spans)
    }

    /// The row length and the number of rows.
    fn dimensions(&mut self) -> Result<(u64, u64), Dimensions> {
        let count = self.u32()?;
        if count > MAX_DIMENSIONS {
            return Err(Dimensions::Wrong(format!(
                "has {count} dimensions, and at most {MAX_DIMENSIONS} are allowed"
            )));
        }
        let mut row = 1;
        let mut rows: u64 = 1;
        for index in 0..count {
            let n = self.u64()?;
            if index == 0 {
                row = n;
            } else {
                rows = rows
                    .checked_mul(n)
                    .ok_or_else(|| Dimensions::Wrong("is too large to be real".to_owned()))?;
            }
        }
        Ok((row, rows))
    }

    fn u32(&mut self) -> Result<u32, InspectError> {
        let bytes = self.cursor.array()?;
        Ok(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn u64(&mut self) -> Result<u64, InspectError> {
        let bytes = self.cursor.array()?;
        Ok(if self.big_endian {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }
}

/// Why a tensor's dimensions could not be had.
enum Dimensions {
    Wrong(String),
    Unread(InspectError),
}

impl From<InspectError> for Dimensions {
    fn from(error: InspectError) -> Self {
        Self::Unread(error)
    }
}

fn tensor_fault(name: &str, at: u64, fault: &str) -> InspectError {
    malformed(format!(
        "the GGUF tensor `{}` at byte {at} {fault}",
        shown(name, 80)
    ))
}

/// A name as 16 bytes, so that a header of many names stays small in memory.
fn hash(name: &str) -> [u8; 16] {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(name.as_bytes());
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(digest) {
        *to = from;
    }
    short
}

//! The fields of a protobuf message, one after another, whatever they mean.

use std::io;

use super::{
    finding::{InspectError, malformed},
    source::{Cursor, Source},
};

/// A number as it is written, or bytes that follow with their length before them.
pub(super) const NUMBER: u64 = 0;
/// See [`NUMBER`].
pub(super) const BYTES: u64 = 2;

/// Reads the messages of one file, forward only, within a bound on their fields.
pub(super) struct Messages<'s, 'a> {
    cursor: Cursor<'s, 'a>,
    size: u64,
    fields_left: u64,
    format: &'static str,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) wire: u64,
    /// The number itself, or how many bytes follow.
    pub(super) value: u64,
    /// Where the field starts in the file.
    pub(super) at: u64,
}

impl<'s, 'a> Messages<'s, 'a> {
    /// Reads `source`, a file of the named format, up to so many fields.
    pub(super) fn new(source: &'s mut Source<'a>, format: &'static str, most_fields: u64) -> Self {
        let size = source.size();
        Self {
            cursor: Cursor::new(source, 0, format),
            size,
            fields_left: most_fields,
            format,
        }
    }

    /// The end of the whole file.
    pub(super) fn end(&self) -> u64 {
        self.size
    }

    /// Where the next byte lies.
    pub(super) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// The next field of a message that ends at `end`. The bytes of one must then be read, entered
    /// as a message of their own, or passed over.
    pub(super) fn next(&mut self, end: u64) -> Result<Option<Field>, InspectError> {
        let at = self.cursor.position();
        if at >= end {
            return Ok(None);
        }
        self.fields_left = self.fields_left.checked_sub(1).ok_or_else(|| {
            malformed(format!(
                "the {} file has too many fields by byte {at}",
                self.format
            ))
        })?;
        let tag = self.varint()?;
        let (number, wire) = (tag >> 3, tag & 7);
        let value = match wire {
            NUMBER | BYTES => self.varint()?,
            1 => 8,
            5 => 4,
            _ => {
                return Err(malformed(format!(
                    "the {} file has a field of wire type {wire} at byte {at}, which does not exist",
                    self.format
                )));
            }
        };
        let bytes = if wire == NUMBER { 0 } else { value };
        let reached = self.cursor.position();
        if reached.checked_add(bytes).is_none_or(|reach| reach > end) {
            return Err(malformed(format!(
                "the {} file is cut: the field at byte {at} needs {bytes} bytes and has {}",
                self.format,
                end.saturating_sub(reached)
            )));
        }
        Ok(Some(Field {
            number,
            wire,
            value,
            at,
        }))
    }

    /// Passes over what a field holds.
    pub(super) fn skip(&mut self, field: Field) -> Result<(), InspectError> {
        if field.wire == NUMBER {
            return Ok(());
        }
        self.cursor.skip(field.value)
    }

    /// The first `most` bytes of what a field holds; the rest is passed over.
    pub(super) fn take(&mut self, field: Field, most: u64) -> Result<Vec<u8>, InspectError> {
        let kept = field.value.min(most);
        let bytes = self.cursor.bytes(kept)?;
        self.cursor.skip(field.value - kept)?;
        Ok(bytes)
    }

    /// A number with 7 bits a byte.
    pub(super) fn varint(&mut self) -> Result<u64, InspectError> {
        let at = self.cursor.position();
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.cursor.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed(format!(
            "the {} file has a number without an end at byte {at}",
            self.format
        )))
    }
}

/// Whether a look at a file went well: a refusal is a no.
pub(super) fn answer<T>(looked: Result<T, InspectError>) -> io::Result<bool> {
    match looked {
        Ok(_) => Ok(true),
        Err(InspectError::Refused(_)) => Ok(false),
        Err(InspectError::Io(error)) => Err(error),
    }
}

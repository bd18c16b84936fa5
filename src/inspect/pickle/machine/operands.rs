//! Reading operands. Where CPython might accept an odd spelling, so does this, with a value that
//! is not known: calling it broken would let the rest of the pickle go unseen.

use super::{End, Halt, MAX_TEXT, Machine, Value, Walked, broken, op};

/// Most bytes of a line that are kept.
const MAX_LINE: usize = 1024;

const CUT: Halt = Halt::End(End::Cut);

impl Machine<'_, '_> {
    pub(super) fn operand_byte(&mut self) -> Walked<u8> {
        self.feed.byte()?.ok_or(CUT)
    }

    pub(super) fn operand<const N: usize>(&mut self) -> Walked<[u8; N]> {
        self.feed.array()?.ok_or(CUT)
    }

    /// A text line without its newline, and whether it is whole.
    pub(super) fn line(&mut self) -> Walked<(Vec<u8>, bool)> {
        let line = self.feed.line(MAX_LINE)?.ok_or(CUT)?;
        Ok((line.bytes, line.whole))
    }

    /// A module or a name.
    pub(super) fn name_line(&mut self) -> Walked<String> {
        let (bytes, whole) = self.line()?;
        if !whole {
            self.violate("names something with a name too long to be real");
        }
        match String::from_utf8(bytes) {
            Ok(name) => Ok(name),
            Err(_) if !whole => Ok(String::new()),
            Err(_) => broken("a name in it is not UTF-8 text"),
        }
    }

    pub(super) fn memo_index(&mut self) -> Walked<u64> {
        match self.opcode {
            op::BINGET | op::BINPUT => Ok(u64::from(self.operand_byte()?)),
            op::LONG_BINGET | op::LONG_BINPUT => Ok(u64::from(u32::from_le_bytes(self.operand()?))),
            _ => {
                let (line, _) = self.line()?;
                let digits: String = String::from_utf8_lossy(&line)
                    .trim()
                    .chars()
                    .filter(|c| *c != '_')
                    .collect();
                digits
                    .parse()
                    .or_else(|_| broken("a memo entry in it is not a number"))
            }
        }
    }

    /// A number, text or bytes.
    pub(super) fn scalar(&mut self) -> Walked<Value> {
        Ok(match self.opcode {
            op::NONE => Value::None,
            op::NEWTRUE | op::NEWFALSE => Value::Bool,
            op::BININT => Value::Int(i64::from(i32::from_le_bytes(self.operand()?))),
            op::BININT1 => Value::Int(i64::from(self.operand_byte()?)),
            op::BININT2 => Value::Int(i64::from(u16::from_le_bytes(self.operand()?))),
            op::BINFLOAT => {
                let _bits: [u8; 8] = self.operand()?;
                Value::Number
            }
            op::INT | op::LONG | op::FLOAT => return self.number_line(),
            op::LONG1 | op::LONG4 => return self.long(),
            op::STRING => return self.quoted_line(),
            op::UNICODE => {
                let (line, whole) = self.line()?;
                let plain = whole && line.is_ascii() && !line.contains(&b'\\');
                if plain {
                    Value::text(&line)
                } else {
                    Value::SomeText
                }
            }
            _ => return self.counted(),
        })
    }

    fn number_line(&mut self) -> Walked<Value> {
        let (line, whole) = self.line()?;
        let text = String::from_utf8_lossy(&line);
        if self.opcode == op::INT && matches!(text.as_ref(), "00" | "01") {
            return Ok(Value::Bool);
        }
        let digits = if self.opcode == op::LONG {
            text.strip_suffix('L').unwrap_or(&text)
        } else {
            &text
        };
        if self.opcode != op::FLOAT
            && whole
            && let Ok(n) = digits.parse()
        {
            return Ok(Value::Int(n));
        }
        let numeric =
            |c: char| c.is_ascii_hexdigit() || "xXoOlL+-_. \t\r\u{b}\u{c}infatyINFATY".contains(c);
        if !digits.is_empty() && digits.chars().all(numeric) {
            Ok(Value::Number)
        } else {
            broken("a number in it is not a number")
        }
    }

    fn long(&mut self) -> Walked<Value> {
        let length = if self.opcode == op::LONG1 {
            u64::from(self.operand_byte()?)
        } else {
            let signed = i32::from_le_bytes(self.operand()?);
            u64::try_from(signed).or_else(|_| broken("a number in it has a negative length"))?
        };
        let bytes = self.feed.bytes(length, 16)?.ok_or(CUT)?;
        if length > 8 {
            return Ok(Value::Number);
        }
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) {
            0xff
        } else {
            0
        };
        let mut whole = [fill; 8];
        for (to, from) in whole.iter_mut().zip(bytes) {
            *to = from;
        }
        Ok(Value::Int(i64::from_le_bytes(whole)))
    }

    /// A Python 2 string in quotes. Its escapes are not read: such a string is not known.
    fn quoted_line(&mut self) -> Walked<Value> {
        let (line, whole) = self.line()?;
        if !whole {
            return Ok(Value::SomeText);
        }
        let line = line.trim_ascii_end();
        match line {
            [open @ (b'\'' | b'"'), inside @ .., close] if open == close => {
                let plain = inside.is_ascii() && !inside.contains(&b'\\');
                Ok(if plain {
                    Value::text(inside)
                } else {
                    Value::SomeText
                })
            }
            _ => broken("a string in it has no quotes"),
        }
    }

    /// Text or bytes with their length before them.
    fn counted(&mut self) -> Walked<Value> {
        let length = match self.opcode {
            op::SHORT_BINSTRING | op::SHORT_BINBYTES | op::SHORT_BINUNICODE => {
                u64::from(self.operand_byte()?)
            }
            op::BINSTRING => {
                let signed = i32::from_le_bytes(self.operand()?);
                u64::try_from(signed).or_else(|_| broken("a string in it has a negative length"))?
            }
            op::BINUNICODE | op::BINBYTES => u64::from(u32::from_le_bytes(self.operand()?)),
            _ => {
                debug_assert!(matches!(
                    self.opcode,
                    op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8
                ));
                u64::from_le_bytes(self.operand()?)
            }
        };
        let bytes = self.feed.bytes(length, MAX_TEXT)?.ok_or(CUT)?;
        let whole = length <= MAX_TEXT as u64;
        Ok(match self.opcode {
            op::SHORT_BINSTRING | op::BINSTRING if !bytes.is_ascii() => Value::SomeText,
            op::SHORT_BINSTRING
            | op::BINSTRING
            | op::SHORT_BINUNICODE
            | op::BINUNICODE
            | op::BINUNICODE8 => {
                if whole {
                    Value::text(&bytes)
                } else {
                    Value::SomeText
                }
            }
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 if whole => {
                Value::Bytes(bytes.into())
            }
            _ => Value::SomeBytes,
        })
    }
}

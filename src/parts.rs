//! A file in parts of its owner's making: how it may be cut, whether all of it
//! is there, and who may send a part.
//!
//! Pure. The bounds are those of S3 (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>),
//! whatever the storage: a client need not know which one it is.

mod signature;

use std::collections::BTreeSet;

use modelferry_providers::artifact::MAX_SIZE;

pub use self::signature::{PartUrl, Refused, Signer};
use crate::error::{Code, Error};
use crate::storage::Part;

/// The most parts of a file.
pub const MOST_PARTS: u32 = 10_000;
/// The least length of every part but the last, in bytes.
pub const LEAST_PART: u64 = 5 * 1024 * 1024;
/// The greatest length of a part, in bytes.
pub const MOST_PART: u64 = 5 * 1024 * 1024 * 1024;
/// Parts that a message names.
const NAMED: usize = 20;

/// How long a file is, and in how many parts it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    size: u64,
    count: u32,
}

impl Shape {
    /// A file of `size` bytes in `count` parts, when there is such a way to cut it.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] says which numbers would do.
    pub fn new(size: u64, count: u64) -> Result<Self, Error> {
        let refused = |message: String, hint: String| {
            Err(Error::new(Code::InvalidRequest, message).hint(hint))
        };
        if size == 0 {
            return refused(
                "fileSize is 0: there is nothing to upload".to_owned(),
                "send the file's length in bytes".to_owned(),
            );
        }
        if size > MAX_SIZE {
            return refused(
                format!("fileSize is over {MAX_SIZE} bytes"),
                "send the file's length in bytes".to_owned(),
            );
        }
        let count = match u32::try_from(count) {
            Ok(count @ 1..=MOST_PARTS) => count,
            _ => {
                return refused(
                    format!("parts is {count}: it is from 1 to {MOST_PARTS}"),
                    format!("{} would do for this file", Self::fewest(size)),
                );
            }
        };
        if u64::from(count - 1) * LEAST_PART >= size {
            return refused(
                format!(
                    "{size} bytes can't be {count} parts: every part but the last has {LEAST_PART} bytes (5 MiB) or more"
                ),
                format!("use {} parts at most", size.div_ceil(LEAST_PART)),
            );
        }
        if u64::from(count).saturating_mul(MOST_PART) < size {
            return refused(
                format!(
                    "{size} bytes can't be {count} parts: a part has {MOST_PART} bytes (5 GiB) at most"
                ),
                format!("use {} parts or more", Self::fewest(size)),
            );
        }
        Ok(Self { size, count })
    }

    fn fewest(size: u64) -> u64 {
        size.div_ceil(MOST_PART)
    }

    /// The file's length in bytes.
    pub const fn size(self) -> u64 {
        self.size
    }

    /// How many parts it comes in.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The length that every part but the last may have, so that all of them
    /// come to the file. Others will do, within the bounds.
    pub fn part_size(self) -> u64 {
        self.size.div_ceil(u64::from(self.count)).max(LEAST_PART)
    }

    /// The most bytes this part may have, whatever the others are. Counted from 1.
    pub fn most(self, number: u32) -> u64 {
        let others = u64::from(self.count - 1);
        let last_is_other = number < self.count;
        let least = if last_is_other {
            (others - 1) * LEAST_PART + 1
        } else {
            others * LEAST_PART
        };
        (self.size - least).min(MOST_PART)
    }

    /// The least bytes this part has. Counted from 1.
    pub const fn least(self, number: u32) -> u64 {
        if number < self.count { LEAST_PART } else { 1 }
    }

    /// Holds the parts that are there against the file they are to make.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] names missing parts and those there should not
    /// be, [`Code::SizeMismatch`] those of a wrong length.
    pub fn check(self, parts: &[Part]) -> Result<(), Error> {
        let sent: BTreeSet<u32> = parts.iter().map(|part| part.number + 1).collect();
        let missing: Vec<u32> = (1..=self.count)
            .filter(|number| !sent.contains(number))
            .collect();
        if !missing.is_empty() {
            let message = format!("{} not there", listed(&missing));
            return Err(Error::new(Code::InvalidRequest, message).hint(
                "send what is missing to the URLs of GET /v1/uploads/{id}, then complete again",
            ));
        }
        let surplus: Vec<u32> = sent
            .into_iter()
            .filter(|number| *number > self.count)
            .collect();
        if !surplus.is_empty() {
            let message = format!(
                "{} not of this upload, which has {}",
                listed(&surplus),
                self.count
            );
            return Err(Error::new(Code::InvalidRequest, message)
                .hint("cancel it, and make an upload of as many parts as there are"));
        }
        let odd = |part: &&Part| {
            let number = part.number + 1;
            part.size < self.least(number) || part.size > MOST_PART
        };
        let odd: Vec<u32> = parts
            .iter()
            .filter(odd)
            .map(|part| part.number + 1)
            .collect();
        if !odd.is_empty() {
            let message = format!(
                "{} under {LEAST_PART} bytes (5 MiB) or over 5 GiB: only the last part may be shorter",
                listed(&odd)
            );
            return Err(Error::new(Code::SizeMismatch, message).hint(self.advice()));
        }
        let sum: u64 = parts.iter().map(|part| part.size).sum();
        if sum != self.size {
            let message = format!(
                "the parts have {sum} bytes together, and fileSize is {}",
                self.size
            );
            return Err(Error::new(Code::SizeMismatch, message).hint(self.advice()));
        }
        Ok(())
    }

    /// How to cut this file.
    pub fn advice(self) -> String {
        format!(
            "with {} bytes in every part but the last, {} make {}; a part can be sent again until the upload is completed",
            self.part_size(),
            self.count,
            self.size
        )
    }
}

/// `part 3 is`, `parts 1, 2 and 4 more are`.
fn listed(numbers: &[u32]) -> String {
    let named: Vec<String> = numbers.iter().take(NAMED).map(u32::to_string).collect();
    match (numbers.len(), numbers.len() - named.len()) {
        (1, _) => format!("part {} is", named.join("")),
        (_, 0) => format!("parts {} are", named.join(", ")),
        (_, more) => format!("parts {} and {more} more are", named.join(", ")),
    }
}

#[cfg(test)]
mod tests;

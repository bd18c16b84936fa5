//! Lists come in pages.

use super::problem::Problem;

/// Entries on a page, at most and unless asked otherwise.
const MOST: u32 = 100;
const USUAL: u32 = 50;

/// One page's size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page(u32);

impl Page {
    /// A page of the size asked for.
    ///
    /// # Errors
    /// When that is none.
    pub fn of(size: Option<u32>) -> Result<Self, Problem> {
        let size = size.unwrap_or(USUAL);
        if !(1..=MOST).contains(&size) {
            return Err(Problem::bad(
                format!("pageSize is from 1 to {MOST}"),
                "follow nextPaginationToken for more",
            ));
        }
        Ok(Self(size))
    }

    /// How many to ask for: one more tells whether there is a next page.
    pub const fn limit(self) -> u32 {
        self.0 + 1
    }

    /// What belongs on the page, and the token of the next one.
    pub fn cut<T>(
        self,
        mut rows: Vec<T>,
        token: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let size = self.0 as usize;
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(token);
        (rows, next)
    }
}

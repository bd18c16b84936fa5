//! Signed links to the storage behind the hub, kept in memory until they expire.
//!
//! A file read in many ranges would otherwise cost the hub one redirect a
//! range. Links are never written anywhere, and one account's link never
//! serves another.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::repo::HfOrigin;
use crate::auth::Token;
use crate::error::ProviderError;
use crate::url::SafeUrl;

/// Most files whose way is remembered.
const MAX_LINKS: usize = 1024;
/// How long a link that does not say when it expires is used.
const UNSAID: Duration = Duration::from_secs(60);
/// The longest that any link is used: the hub's own links live about an hour.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long before its end a link is given up, at most.
const MARGIN: Duration = Duration::from_secs(60);

/// Whose link to which file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LinkKey {
    origin: HfOrigin,
    account: Option<u64>,
}

/// How to come to a file's bytes for now.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// By a link to the storage behind the hub.
    Link(SafeUrl),
    /// The hub sends them itself.
    Hub,
}

#[derive(Debug, Clone)]
struct Kept {
    way: Way,
    until: Instant,
}

type Cell = Arc<OnceCell<Kept>>;

/// A way and the cell it was in, to name when it fails.
pub(super) struct Lent {
    pub way: Way,
    cell: Cell,
}

/// The links known at this moment.
#[derive(Default)]
pub(super) struct Links {
    cells: Mutex<HashMap<LinkKey, Cell>>,
    /// Keyed at random for this process, so that a token leaves no trace of itself.
    accounts: RandomState,
}

impl Links {
    /// The key of a file's link for the account of a token.
    pub(super) fn key(&self, origin: &HfOrigin, token: Option<&Token>) -> LinkKey {
        LinkKey {
            origin: origin.clone(),
            account: token.map(|token| self.accounts.hash_one(token.expose())),
        }
    }

    /// The way to a file. Whoever comes first runs `ask`; the others wait for
    /// its answer.
    pub(super) async fn lend(
        &self,
        key: &LinkKey,
        ask: impl Future<Output = Result<Way, ProviderError>>,
    ) -> Result<Lent, ProviderError> {
        let cell = self.cell(key);
        let asked = || async {
            let way = ask.await?;
            let lifetime = match &way {
                Way::Link(url) => lifetime(url, SystemTime::now()),
                Way::Hub => UNSAID,
            };
            let until = Instant::now() + lifetime;
            Ok::<_, ProviderError>(Kept { way, until })
        };
        let way = cell.get_or_try_init(asked).await?.way.clone();
        Ok(Lent { way, cell })
    }

    /// Drops a way that no longer works, unless it was replaced already.
    pub(super) fn give_up(&self, key: &LinkKey, lent: &Lent) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |cell: &Cell| Arc::ptr_eq(cell, &lent.cell);
        if cells.get(key).is_some_and(is_same) {
            cells.remove(key);
        }
    }

    /// The file's cell; a new one when what it holds has expired.
    fn cell(&self, key: &LinkKey) -> Cell {
        let now = Instant::now();
        let is_over = |cell: &Cell| cell.get().is_some_and(|kept| kept.until <= now);
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MAX_LINKS && !cells.contains_key(key) {
            cells.retain(|_, cell| !is_over(cell));
            forget_soonest(&mut cells);
        }
        let cell = cells.entry(key.clone()).or_default();
        if is_over(cell) {
            *cell = Cell::default();
        }
        cell.clone()
    }
}

/// Makes room for one more: what ends first goes, or any one that is still
/// being asked for, whose askers hold it themselves.
fn forget_soonest(cells: &mut HashMap<LinkKey, Cell>) {
    if cells.len() < MAX_LINKS {
        return;
    }
    let soonest = cells
        .iter()
        .min_by_key(|(_, cell)| cell.get().map(|kept| kept.until));
    if let Some(key) = soonest.map(|(key, _)| key.clone()) {
        cells.remove(&key);
    }
}
/// How much longer a link may be used.
fn lifetime(url: &SafeUrl, now: SystemTime) -> Duration {
    let left = match expiry(url, now) {
        Some(end) => end.duration_since(now).unwrap_or_default(),
        None => UNSAID,
    };
    (left - MARGIN.min(left / 10)).min(LONGEST)
}

/// When a signature ends: `X-Amz-Date` and `X-Amz-Expires` (AWS Signature
/// Version 4) or their like at Google, else `Expires` (CloudFront), which is
/// seconds since 1970.
fn expiry(url: &SafeUrl, now: SystemTime) -> Option<SystemTime> {
    let find = |name: &str| {
        let mut pairs = url.as_url().query_pairs();
        pairs.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.into_owned()))
    };
    let seconds = |text: String| text.parse().ok().map(Duration::from_secs);
    for vendor in ["X-Amz", "X-Goog"] {
        if let Some(lifetime) = find(&format!("{vendor}-Expires")).and_then(seconds) {
            let signed = find(&format!("{vendor}-Date")).and_then(|date| basic_date(&date));
            return signed.unwrap_or(now).checked_add(lifetime);
        }
    }
    UNIX_EPOCH.checked_add(find("Expires").and_then(seconds)?)
}

/// Reads `20261124T083000Z` (ISO 8601 basic format).
fn basic_date(text: &str) -> Option<SystemTime> {
    let digits: String = text.strip_suffix('Z')?.split('T').collect();
    if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let clock = part(8, 10)? * 3600 + part(10, 12)? * 60 + part(12, 14)?;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the proleptic Gregorian calendar, counted from March so that a
    // leap day ends its year; 719,468 days lie between 0000-03-01 and 1970-01-01.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    UNIX_EPOCH.checked_add(Duration::from_secs((days - 719_468) * 86_400 + clock))
}

#[cfg(test)]
mod tests;

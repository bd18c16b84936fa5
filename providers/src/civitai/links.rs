//! Signed links to the hub's storage, kept while they work: every request of
//! the download endpoint counts against the account's or address's limit.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::CivitaiOrigin;
use crate::auth::Token;
use crate::error::ProviderError;
use crate::time;
use crate::url::SafeUrl;

/// Links kept before worn-out ones are cleared away.
const MOST_KEPT: usize = 4096;
/// A link this close to its end is not handed out any more.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest a link is believed, whatever it says of itself.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Where a file's bytes are for now.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The storage URL, or the download URL itself where the hub sends the bytes.
    pub url: SafeUrl,
    /// Whether the hub itself sends the bytes, and so wants the token.
    pub is_hubs: bool,
    /// Whether the hub found the file by its id; else it is only as good as its hash or length.
    pub by_id: bool,
    /// When the hub last proved that this token may read the file.
    pub proven: Instant,
    /// When it stops working.
    pub until: Option<Instant>,
}

/// A file, for one token: what one account may read says nothing of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LinkKey {
    origin: CivitaiOrigin,
    token: Option<u64>,
}

type Cell = Arc<OnceCell<Link>>;

/// A link and the cell it was in, to name when it fails.
#[derive(Debug, Clone)]
pub(super) struct Lent {
    pub link: Link,
    cell: Cell,
}

/// All links of this process.
#[derive(Debug, Default)]
pub(super) struct Links {
    cells: Mutex<HashMap<LinkKey, Cell>>,
    /// Random for each process, so that a kept number gives no token away.
    hasher: RandomState,
}

impl Links {
    /// The key of a file for a token.
    pub fn key(&self, origin: &CivitaiOrigin, token: Option<&Token>) -> LinkKey {
        LinkKey {
            origin: origin.clone(),
            token: token.map(|token| self.hasher.hash_one(token.expose())),
        }
    }

    /// The file's link. Whoever comes first runs `ask`; the others wait for its answer.
    pub async fn lend<F>(
        &self,
        key: &LinkKey,
        ask: impl FnOnce() -> F,
    ) -> Result<Lent, ProviderError>
    where
        F: Future<Output = Result<Link, ProviderError>>,
    {
        let cell = self.cell(key, |link| {
            link.until.is_none_or(|until| until > Instant::now())
        });
        let link = cell.get_or_try_init(ask).await?.clone();
        Ok(Lent { link, cell })
    }

    /// Drops the file's link when the hub proved it longer ago than `age`.
    pub fn drop_older(&self, key: &LinkKey, age: Duration) {
        self.cell(key, |link| link.proven.elapsed() <= age);
    }

    /// Drops a link that failed, unless it was replaced already.
    pub fn give_up(&self, key: &LinkKey, lent: &Lent) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells
            .get(key)
            .is_some_and(|cell| Arc::ptr_eq(cell, &lent.cell))
        {
            cells.remove(key);
        }
    }

    /// The file's cell; a new one when what it holds is not `good`.
    fn cell(&self, key: &LinkKey, good: impl Fn(&Link) -> bool) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MOST_KEPT {
            let now = Instant::now();
            cells.retain(|_, cell| {
                cell.get()
                    .is_some_and(|link| link.until.is_some_and(|until| until > now))
            });
        }
        if cells.len() >= MOST_KEPT {
            cells.clear();
        }
        let cell = cells.entry(key.clone()).or_default();
        if cell.get().is_some_and(|link| !good(link)) {
            *cell = Cell::default();
        }
        cell.clone()
    }
}

/// How long a signed link works: `X-Amz-Date` and `X-Amz-Expires` as S3, R2
/// and B2 sign, or an absolute `Expires`. `now` is the hub's own clock in
/// seconds since 1970 where it said so, since ours may be wrong.
pub(super) fn lifetime(link: &Url, now: i64) -> Option<Duration> {
    let value = |name: &str| {
        let mut pairs = link.query_pairs();
        pairs
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.into_owned())
    };
    let number = |name: &str| value(name)?.parse::<i64>().ok();
    let seconds = match number("X-Amz-Expires") {
        Some(lifetime) => {
            let signed = value("X-Amz-Date")
                .and_then(|date| time::unix_seconds(&date))
                .unwrap_or(now);
            lifetime.saturating_sub(now.saturating_sub(signed).max(0))
        }
        None => number("Expires")?.saturating_sub(now),
    };
    let left = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    Some(left.saturating_sub(MARGIN.min(left / 2)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_how_long_it_works() {
        let now = time::unix_seconds("2026-08-22T18:30:00Z").unwrap();
        let cases = [
            (
                "https://s/x?X-Amz-Date=20260822T183000Z&X-Amz-Expires=86400",
                Some(86_370),
            ),
            (
                "https://s/x?X-Amz-Date=20260822T182000Z&X-Amz-Expires=3600",
                Some(2_970),
            ),
            (
                "https://s/x?x-amz-date=20260822T180000Z&x-amz-expires=60",
                Some(0),
            ),
            (
                "https://s/x?X-Amz-Date=20260822T190000Z&X-Amz-Expires=3600",
                Some(3_570),
            ),
            ("https://s/x?X-Amz-Expires=3600", Some(3_570)),
            ("https://s/x?X-Amz-Expires=10", Some(5)),
            ("https://s/x?X-Amz-Expires=99999999999", Some(86_400)),
            ("https://s/x?Expires=1787427000", Some(3_570)),
            ("https://s/x?Expires=1", Some(0)),
            ("https://s/x?Authorization=3_2026082218", None),
            ("https://s/x?X-Amz-Expires=soon", None),
        ];
        for (link, seconds) in cases {
            let left = lifetime(&Url::parse(link).unwrap(), now);
            assert_eq!(left.map(|left| left.as_secs()), seconds, "{link}");
        }
    }
}

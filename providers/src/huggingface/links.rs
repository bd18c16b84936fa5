//! Signed links to the storage behind the hub, kept in memory until they expire.
//!
//! A file read in many ranges would otherwise cost the hub one redirect a
//! range. Links are never written anywhere, and one account's link never
//! serves another.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::repo::HfOrigin;
use crate::auth::Token;
use crate::url::SafeUrl;

/// Most links kept.
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

struct Kept {
    url: SafeUrl,
    until: Instant,
}

/// The links known at this moment.
#[derive(Default)]
pub(super) struct Links {
    kept: Mutex<HashMap<LinkKey, Kept>>,
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

    /// A link that has not expired.
    pub(super) fn get(&self, key: &LinkKey) -> Option<SafeUrl> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key)
            .filter(|link| link.until > Instant::now())
            .map(|link| link.url.clone())
    }

    /// Keeps a link as long as it says it holds.
    pub(super) fn keep(&self, key: LinkKey, url: SafeUrl) {
        let lifetime = lifetime(&url, SystemTime::now());
        if lifetime.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_LINKS {
            kept.retain(|_, link| link.until > now);
        }
        if kept.len() >= MAX_LINKS {
            let next = kept.iter().min_by_key(|(_, link)| link.until);
            if let Some(key) = next.map(|(key, _)| key.clone()) {
                kept.remove(&key);
            }
        }
        let until = now + lifetime;
        kept.insert(key, Kept { url, until });
    }

    /// Drops a link that no longer works.
    pub(super) fn forget(&self, key: &LinkKey) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(key);
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
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn dates_of_signatures_are_read() {
        let cases = [
            ("19700101T000000Z", Some(0)),
            ("20000229T120000Z", Some(951_825_600)),
            ("20261124T083000Z", Some(1_795_509_000)),
            ("20261324T083000Z", None),
            ("2026-11-24T08:30:00Z", None),
            ("20261124T083000", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(basic_date(text), seconds.map(at), "{text}");
        }
    }

    #[test]
    fn a_link_is_used_for_as_long_as_it_says_less_a_margin() {
        let now = at(1_795_509_000);
        let cases = [
            ("X-Amz-Date=20261124T082000Z&X-Amz-Expires=3600", 3000 - 60),
            ("X-Amz-Expires=100", 90),
            ("X-Goog-Date=20261124T083000Z&X-Goog-Expires=200", 180),
            ("Expires=1795509600&Policy=x", 540),
            ("Expires=1795508000", 0),
            ("Expires=99999999999", 3600),
            ("Expires=18446744073709551615", 54),
            ("signature=x", 54),
        ];
        for (query, seconds) in cases {
            let url = SafeUrl::parse(&format!("https://cdn.example/x?{query}")).unwrap();
            assert_eq!(lifetime(&url, now).as_secs(), seconds, "{query}");
        }
    }

    #[test]
    fn the_store_of_links_is_bounded_and_apart_by_account() {
        use super::super::repo::{Commit, RepoId, RepoPath, RepoType};
        let links = Links::default();
        let origin = |n: usize| HfOrigin {
            repo_type: RepoType::Model,
            repo: RepoId::parse("acme/tiny").unwrap(),
            commit: Commit::parse(&"ab".repeat(20)).unwrap(),
            path: RepoPath::parse(&format!("{n}.bin")).unwrap(),
        };
        let url = SafeUrl::parse("https://cdn.example/x?X-Amz-Expires=3600").unwrap();
        let token = Token::new("hf_a");
        for n in 0..=MAX_LINKS {
            links.keep(links.key(&origin(n), token.as_ref()), url.clone());
        }
        assert_eq!(links.kept.lock().unwrap().len(), MAX_LINKS);
        let last = origin(MAX_LINKS);
        assert!(links.get(&links.key(&last, token.as_ref())).is_some());
        assert!(links.get(&links.key(&last, None)).is_none());
        assert!(
            links
                .get(&links.key(&last, Token::new("hf_b").as_ref()))
                .is_none()
        );
    }
}

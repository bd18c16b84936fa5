//! The two ways in which hubs and their storage write a moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 of `2026-08-22T18:30:00.000Z` or `20260822T183000Z`.
/// Both are always UTC; fractions are dropped.
pub(crate) fn unix_seconds(text: &str) -> Option<i64> {
    let digits: Vec<i64> = text
        .split('.')
        .next()?
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| i64::from(digit - b'0'))
        .collect();
    if digits.len() != 14 || !text.contains('T') {
        return None;
    }
    let number =
        |from: usize, to: usize| digits[from..to].iter().fold(0, |n, digit| n * 10 + digit);
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    let plausible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    plausible.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that
/// start in March so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The moment as a person reads it; `None` for a text that is no moment.
pub(crate) fn shown(text: &str) -> Option<String> {
    unix_seconds(text)?;
    let (day, time) = text.split_once('T')?;
    Some(format!("{day} {} UTC", time.get(..5)?))
}

/// A moment in seconds since 1970, as a person reads it.
pub(crate) fn written(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_moment() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.500Z", Some(951_825_600)),
            ("2026-08-22T18:30:00.000Z", Some(1_787_423_400)),
            ("20260822T183000Z", Some(1_787_423_400)),
            ("2026-13-01T00:00:00Z", None),
            ("2026-08-22", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(unix_seconds(text), expected, "{text}");
        }
        assert_eq!(
            shown("2099-01-01T00:00:00.000Z").as_deref(),
            Some("2099-01-01 00:00 UTC")
        );
        assert_eq!(shown("next week"), None);
    }
}

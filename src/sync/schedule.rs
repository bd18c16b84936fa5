//! When a sync is due: a cron expression in a time zone.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use crate::error::{Code, Error};

/// A cron expression and the time zone it is meant in.
///
/// Daylight saving follows Vixie cron: a fixed hour that a change of the clock
/// skips runs right after the gap, and one that comes twice runs once. Hours by
/// wildcard or step go by the clock on the wall.
#[derive(Debug, Clone)]
pub struct Schedule {
    expression: String,
    zone: Tz,
    cron: Cron,
}

impl Schedule {
    /// Reads an expression of five fields, or a nickname such as `@daily`, and
    /// the IANA name of a zone.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] for an expression that can't be read or never
    /// comes true, or a zone that does not exist.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, Error> {
        let zone = Tz::from_str(zone.trim()).map_err(|_| {
            invalid(format!("there is no time zone {}", quoted(zone))).hint(zone_hint(zone))
        })?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(expression.trim()).map_err(|error| {
            invalid(format!(
                "{} is no cron expression: {error}",
                quoted(expression)
            ))
            .hint("write five fields: minute hour day-of-month month day-of-week, such as `0 3 * * *`")
        })?;
        let schedule = Self {
            expression: expression.trim().to_owned(),
            zone,
            cron,
        };
        if schedule.next_after(Utc::now()).is_none() {
            return Err(invalid(format!("{} never comes true", quoted(expression)))
                .hint("name a day that its months have: no February has 30 days"));
        }
        Ok(schedule)
    }

    /// The first time after `at` that it is due. `None`: never again.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = at.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(next.with_timezone(&Utc))
    }

    /// The expression, as given.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone's IANA name.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// What it means, in words.
    pub fn in_words(&self) -> String {
        self.cron.describe().trim_end_matches('.').to_owned()
    }
}

/// Names of zones near to one that does not exist: with the letters of
/// another case, a city alone, a typing slip.
fn zone_hint(text: &str) -> String {
    let plain = |name: &str| name.to_lowercase().replace([' ', '-'], "_");
    let wanted = plain(text.trim());
    let distance = |zone: &Tz| {
        let name = plain(zone.name());
        let city = name.rsplit('/').next().unwrap_or(&name);
        edits(&name, &wanted).min(edits(city, &wanted))
    };
    let mut near: Vec<(usize, &str)> = chrono_tz::TZ_VARIANTS
        .iter()
        .map(|zone| (distance(zone), zone.name()))
        .filter(|(distance, _)| *distance <= 2.min(wanted.len() / 3))
        .collect();
    near.sort_unstable();
    let names: Vec<&str> = near.iter().take(3).map(|(_, name)| *name).collect();
    if names.is_empty() {
        return "use an IANA name such as Europe/Berlin or UTC".to_owned();
    }
    format!("did you mean {}?", names.join(" or "))
}

/// How many letters have to be added, dropped or replaced (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidRequest, message)
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression, zone).unwrap();
        let mut at: DateTime<Utc> = from.parse().unwrap();
        (0..count)
            .map(|_| {
                at = schedule.next_after(at).unwrap();
                at.format("%m-%d %H:%M").to_string()
            })
            .collect()
    }

    #[test]
    fn a_time_of_day_is_that_of_its_zone() {
        let cases = [
            ("0 3 * * *", "UTC", vec!["01-11 03:00", "01-12 03:00"]),
            (
                "0 3 * * *",
                "Asia/Tokyo",
                vec!["01-10 18:00", "01-11 18:00"],
            ),
            (
                "30 4 * * MON",
                "Europe/Berlin",
                vec!["01-12 03:30", "01-19 03:30"],
            ),
            ("@hourly", "UTC", vec!["01-10 13:00", "01-10 14:00"]),
        ];
        for (expression, zone, expected) in cases {
            let found = runs(expression, zone, "2026-01-10T12:10:00Z", 2);
            assert_eq!(found, expected, "{expression} {zone}");
        }
    }

    #[test]
    fn an_hour_that_is_skipped_in_spring_runs_right_after_the_gap() {
        // Berlin goes from 02:00 to 03:00 (01:00 UTC) on 29 March 2026.
        let found = runs("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(found, ["03-28 01:30", "03-29 01:00", "03-30 00:30"]);
    }

    #[test]
    fn an_hour_that_comes_twice_in_autumn_runs_once() {
        // Berlin goes from 03:00 back to 02:00 (01:00 UTC) on 25 October 2026.
        let found = runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(found, ["10-25 00:30", "10-26 01:30"]);
    }

    #[test]
    fn what_never_comes_true_or_can_not_be_read_is_refused() {
        for (expression, zone, says) in [
            ("0 3 31 2 *", "UTC", "never comes true"),
            ("61 * * * *", "UTC", "no cron expression"),
            ("every day", "UTC", "no cron expression"),
            ("", "UTC", "no cron expression"),
            ("* * * * * *", "UTC", "no cron expression"),
            ("0 3 * * *", "Mars/Olympus", "no time zone"),
            ("0 3 * * *", "", "no time zone"),
        ] {
            let error = Schedule::parse(expression, zone).unwrap_err();
            assert_eq!(error.code, Code::InvalidRequest, "{expression} {zone}");
            assert!(error.message.contains(says), "{}", error.message);
        }
    }

    #[test]
    fn a_zone_that_does_not_exist_is_told_its_neighbours() {
        for (zone, says) in [
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("Europe/Berlni", "Europe/Berlin"),
            ("new york", "America/New_York"),
            ("Asia/Tokio", "Asia/Tokyo"),
            ("Mars/Olympus", "such as Europe/Berlin"),
            ("", "such as Europe/Berlin"),
        ] {
            let hint = Schedule::parse("0 3 * * *", zone).unwrap_err().hint;
            assert!(hint.as_ref().unwrap().contains(says), "{zone}: {hint:?}");
        }
    }

    #[test]
    fn a_schedule_says_what_it_means() {
        let schedule = Schedule::parse(" 0 3 * * * ", "Europe/Berlin").unwrap();
        assert_eq!(schedule.expression(), "0 3 * * *");
        assert_eq!(schedule.zone(), "Europe/Berlin");
        assert!(schedule.in_words().contains('3'), "{}", schedule.in_words());
    }
}

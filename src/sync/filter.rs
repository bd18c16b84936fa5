//! Which entries of a list a sync takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};
use modelferry_providers::glob::{BadGlob, Globs};
use modelferry_providers::listing::Listed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Error};

/// The most words in one place of a filter.
const MOST_WORDS: usize = 1000;
/// The most that `newest` may ask for: so many are held in memory.
const MOST_NEWEST: u32 = 1_000_000;

/// What a sync takes of a list, and of each of its sources. Empty: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Filter {
    /// Globs of which an entry's name must match one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub name: Vec<String>,
    /// Base models of which it must have one, in any case of letters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub base_model: Vec<String>,
    /// The hub's types of which it must be one, in any case of letters.
    #[serde(rename = "type", skip_serializing_if = "Vec::is_empty")]
    pub model_type: Vec<String>,
    /// Largest size in bytes. One that the list does not tell is looked at
    /// once it is resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Only so many, those changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<u32>,
    /// Only those changed at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<DateTime<Utc>>,
    /// Globs of which a source's file must match one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Globs of which a source's file must match none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Filter {
    /// Makes it ready for use.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] for a glob that can't be read, a `newest` of 0
    /// or of over a million, or more than a thousand words in one place.
    pub fn compile(&self) -> Result<Sieve, Error> {
        let unreadable = |error: BadGlob| {
            Error::new(Code::InvalidRequest, error.to_string())
                .hint("leave the glob out to take everything")
        };
        let names = Globs::new(&self.name, &[]).map_err(unreadable)?;
        Globs::new(&self.include, &self.exclude).map_err(unreadable)?;
        for (what, words) in [
            ("name", &self.name),
            ("baseModel", &self.base_model),
            ("type", &self.model_type),
            ("include", &self.include),
            ("exclude", &self.exclude),
        ] {
            if words.len() > MOST_WORDS {
                let message = format!("the filter {what} has over {MOST_WORDS} words");
                return Err(Error::new(Code::InvalidRequest, message).hint("use fewer, wider ones"));
            }
        }
        match self.newest {
            Some(0) => Err(Error::new(
                Code::InvalidRequest,
                "the newest 0 of a list are none of it",
            )
            .hint("leave it out to take them all")),
            Some(newest) if newest > MOST_NEWEST => Err(Error::new(
                Code::InvalidRequest,
                format!("the newest {newest} of a list are more than any has"),
            )
            .hint("leave it out to take them all")),
            _ => Ok(Sieve {
                filter: self.clone(),
                names,
            }),
        }
    }

    /// Whether an import comes to less than this anyway; `false` where only
    /// resolving it tells.
    pub fn is_small_enough(&self, entry: &Listed) -> bool {
        match (self.max_size, entry.size) {
            (None, _) => true,
            (Some(most), Some(size)) => size <= most,
            (Some(_), None) => false,
        }
    }
}

/// Tells of a list's entries which are wanted.
#[derive(Debug)]
pub struct Sieve {
    filter: Filter,
    names: Globs,
}

impl Sieve {
    /// Whether an entry fits, as far as the list tells; how many there may be
    /// is not asked here.
    pub fn fits(&self, entry: &Listed) -> bool {
        let filter = &self.filter;
        let one_of = |wanted: &[String], held: &Option<String>| {
            let is_held = |word: &String| {
                held.as_ref()
                    .is_some_and(|held| held.eq_ignore_ascii_case(word))
            };
            wanted.is_empty() || wanted.iter().any(is_held)
        };
        // Where files are chosen, or old ones count too, what is imported may be less.
        let may_be_less =
            entry.is_at_most || !filter.include.is_empty() || !filter.exclude.is_empty();
        let small = |most: u64| may_be_less || entry.size.is_none_or(|size| size <= most);
        let late = |since: DateTime<Utc>| {
            entry
                .updated
                .is_none_or(|updated| updated >= since.timestamp())
        };
        self.names.wants(&entry.name)
            && one_of(&filter.base_model, &entry.base_model)
            && one_of(&filter.model_type, &entry.model_type)
            && filter.max_size.is_none_or(small)
            && filter.since.is_none_or(late)
    }
}

/// The newest of what it is given, never more than so many at a time.
#[derive(Debug)]
pub struct Newest<T> {
    most: usize,
    kept: BinaryHeap<Reverse<Dated<T>>>,
}

impl<T> Newest<T> {
    /// Keeps at most so many.
    pub fn new(most: u32) -> Self {
        Self {
            most: most as usize,
            kept: BinaryHeap::new(),
        }
    }

    /// Takes one that changed then; one without a date is older than any. The
    /// name decides between equals, so that two runs over the same list keep
    /// the same ones.
    pub fn offer(&mut self, updated: Option<i64>, name: &str, value: T) {
        self.kept.push(Reverse(Dated {
            updated: updated.unwrap_or(i64::MIN),
            name: name.to_owned(),
            value,
        }));
        if self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    /// What was kept, the newest first.
    pub fn finish(self) -> Vec<T> {
        let newest_first = self.kept.into_sorted_vec().into_iter();
        newest_first.map(|Reverse(dated)| dated.value).collect()
    }
}

#[derive(Debug)]
struct Dated<T> {
    updated: i64,
    name: String,
    value: T,
}

impl<T> Ord for Dated<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_name = other.name.cmp(&self.name);
        self.updated.cmp(&other.updated).then(by_name)
    }
}

impl<T> PartialOrd for Dated<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Dated<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Dated<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, updated: Option<i64>) -> Listed {
        Listed {
            source: name.into(),
            subject: name.into(),
            name: name.into(),
            revision: None,
            updated,
            model_type: Some("LORA".into()),
            base_model: Some("Pony".into()),
            size: Some(1_000),
            is_at_most: false,
        }
    }

    fn fits(filter: &Filter, entry: &Listed) -> bool {
        filter.compile().unwrap().fits(entry)
    }

    #[test]
    fn each_filter_leaves_out_what_it_says() {
        let words = |text: &str| vec![text.to_owned()];
        let cases = [
            (Filter::default(), true),
            (
                Filter {
                    name: words("acme/*"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    name: words("other/*"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    base_model: words("pony"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    base_model: words("SDXL 1.0"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    model_type: words("lora"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    model_type: words("Checkpoint"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    max_size: Some(1_000),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    max_size: Some(999),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    since: DateTime::from_timestamp(5, 0),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    since: DateTime::from_timestamp(6, 0),
                    ..Filter::default()
                },
                false,
            ),
        ];
        for (filter, is_kept) in cases {
            let found = fits(&filter, &entry("acme/x", Some(5)));
            assert_eq!(found, is_kept, "{filter:?}");
        }
    }

    #[test]
    fn what_a_list_does_not_tell_rules_out_a_type_but_no_size_and_no_date() {
        let untold = Listed {
            model_type: None,
            size: None,
            updated: None,
            ..entry("acme/x", None)
        };
        let by_size_and_date = Filter {
            max_size: Some(1),
            since: DateTime::from_timestamp(6, 0),
            ..Filter::default()
        };
        let by_type = Filter {
            model_type: vec!["LORA".into()],
            ..Filter::default()
        };
        assert!(fits(&by_size_and_date, &untold));
        assert!(!fits(&by_type, &untold));
    }

    #[test]
    fn a_size_that_counts_too_much_rules_nothing_out() {
        let small = Filter {
            max_size: Some(1),
            ..Filter::default()
        };
        let whole = Listed {
            is_at_most: true,
            ..entry("acme/x", None)
        };
        assert!(!fits(&small, &entry("acme/x", None)));
        assert!(fits(&small, &whole) && !small.is_small_enough(&whole));
        let some_files = Filter {
            include: vec!["*.gguf".into()],
            ..small
        };
        assert!(fits(&some_files, &entry("acme/x", None)));
    }

    #[test]
    fn the_newest_come_first_and_no_more_of_them_than_asked_for() {
        let mut newest = Newest::new(2);
        for (name, updated) in [
            ("a", Some(1)),
            ("b", Some(9)),
            ("c", None),
            ("d", Some(5)),
            ("e", Some(5)),
        ] {
            newest.offer(updated, name, name);
        }
        assert_eq!(newest.finish(), ["b", "d"]);
    }

    #[test]
    fn a_filter_that_can_not_be_meant_is_refused() {
        let none = Filter {
            newest: Some(0),
            ..Filter::default()
        };
        let unreadable = Filter {
            name: vec![String::new()],
            ..Filter::default()
        };
        for filter in [none, unreadable] {
            let error = filter.compile().unwrap_err();
            assert_eq!(error.code, Code::InvalidRequest);
        }
    }
}

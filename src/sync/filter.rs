//! Which entries of a list a sync takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};
use modelferry_providers::glob::Globs;
use modelferry_providers::listing::Listed;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// What a sync takes of a list. Empty: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Filter {
    /// Globs of which an entry's name must match one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Base models of which it must have one, in any case of letters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub base_models: Vec<String>,
    /// The hub's types of which it must be one, in any case of letters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Largest size in bytes. One that the list does not tell is looked at
    /// once it is resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Only so many, those changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<u32>,
    /// Only those changed at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

impl Filter {
    /// Makes it ready for use.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] for a glob that can't be read, or a `newest` of 0.
    pub fn compile(&self) -> Result<Sieve, Error> {
        let names = Globs::new(&self.names, &[])
            .map_err(|error| Error::new(Code::InvalidRequest, error.to_string()))?;
        if self.newest == Some(0) {
            return Err(Error::new(
                Code::InvalidRequest,
                "the newest 0 of a list are none of it",
            )
            .hint("leave it out to take them all"));
        }
        Ok(Sieve {
            filter: self.clone(),
            names,
            newest: BinaryHeap::new(),
            taken: Vec::new(),
        })
    }
}

/// Takes a list's entries one by one and keeps those that are wanted: all of
/// them, or with `newest` never more than that many at a time.
#[derive(Debug)]
pub struct Sieve {
    filter: Filter,
    names: Globs,
    newest: BinaryHeap<Reverse<Dated>>,
    taken: Vec<Listed>,
}

impl Sieve {
    /// Looks at one entry. Tells whether it fits, before `newest` is asked.
    pub fn offer(&mut self, entry: Listed) -> bool {
        if !self.fits(&entry) {
            return false;
        }
        let Some(newest) = self.filter.newest else {
            self.taken.push(entry);
            return true;
        };
        self.newest.push(Reverse(Dated {
            updated: entry.updated.unwrap_or(i64::MIN),
            entry,
        }));
        if self.newest.len() > newest as usize {
            self.newest.pop();
        }
        true
    }

    /// What was kept: in the list's order, or with `newest` the newest first.
    pub fn finish(self) -> Vec<Listed> {
        if self.filter.newest.is_none() {
            return self.taken;
        }
        let oldest_last = self.newest.into_sorted_vec();
        oldest_last
            .into_iter()
            .map(|Reverse(dated)| dated.entry)
            .collect()
    }

    fn fits(&self, entry: &Listed) -> bool {
        let filter = &self.filter;
        let one_of = |wanted: &[String], held: &Option<String>| {
            let is_held = |word: &String| {
                held.as_ref()
                    .is_some_and(|held| held.eq_ignore_ascii_case(word))
            };
            wanted.is_empty() || wanted.iter().any(is_held)
        };
        let small = |most: u64| entry.size.is_none_or(|size| size <= most);
        let late = |since: DateTime<Utc>| {
            entry
                .updated
                .is_none_or(|updated| updated >= since.timestamp())
        };
        self.names.wants(&entry.name)
            && one_of(&filter.base_models, &entry.base_model)
            && one_of(&filter.types, &entry.model_type)
            && filter.max_size.is_none_or(small)
            && filter.since.is_none_or(late)
    }
}

/// An entry in the order of its date; the name decides between equals, so
/// that two runs over the same list keep the same ones.
#[derive(Debug, PartialEq, Eq)]
struct Dated {
    updated: i64,
    entry: Listed,
}

impl Ord for Dated {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_name = other.entry.source.cmp(&self.entry.source);
        self.updated.cmp(&other.updated).then(by_name)
    }
}

impl PartialOrd for Dated {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, updated: Option<i64>) -> Listed {
        Listed {
            source: name.into(),
            name: name.into(),
            revision: None,
            updated,
            model_type: Some("LORA".into()),
            base_model: Some("Pony".into()),
            size: Some(1_000),
        }
    }

    fn kept(filter: Filter, entries: Vec<Listed>) -> Vec<String> {
        let mut sieve = filter.compile().unwrap();
        for entry in entries {
            sieve.offer(entry);
        }
        let names = sieve.finish().into_iter().map(|entry| entry.name);
        names.collect()
    }

    #[test]
    fn each_filter_leaves_out_what_it_says() {
        let words = |text: &str| vec![text.to_owned()];
        let cases = [
            (Filter::default(), true),
            (
                Filter {
                    names: words("acme/*"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    names: words("other/*"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    base_models: words("pony"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    base_models: words("SDXL 1.0"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    types: words("lora"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    types: words("Checkpoint"),
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
            let found = kept(filter.clone(), vec![entry("acme/x", Some(5))]);
            assert_eq!(found.len(), usize::from(is_kept), "{filter:?}");
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
            types: vec!["LORA".into()],
            ..Filter::default()
        };
        assert_eq!(kept(by_size_and_date, vec![untold.clone()]).len(), 1);
        assert_eq!(kept(by_type, vec![untold]).len(), 0);
    }

    #[test]
    fn the_newest_come_first_and_no_more_of_them_than_asked_for() {
        let filter = Filter {
            newest: Some(2),
            ..Filter::default()
        };
        let entries = vec![
            entry("a", Some(1)),
            entry("b", Some(9)),
            entry("c", None),
            entry("d", Some(5)),
            entry("e", Some(5)),
        ];
        assert_eq!(kept(filter, entries), ["b", "d"]);
    }

    #[test]
    fn a_filter_that_can_not_be_meant_is_refused() {
        let none = Filter {
            newest: Some(0),
            ..Filter::default()
        };
        let unreadable = Filter {
            names: vec![String::new()],
            ..Filter::default()
        };
        for filter in [none, unreadable] {
            let error = filter.compile().unwrap_err();
            assert_eq!(error.code, Code::InvalidRequest);
        }
    }
}

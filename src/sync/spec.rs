//! What a sync takes, from where and when: checked before anything is stored.

use chrono::{DateTime, Utc};
use modelferry_providers::{Commit, Selection};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::source::{Reader, Source, SourceKind};
use super::{Filter, Schedule};
use crate::error::{Code, Error};
use crate::records::{NewSync, Records, SyncRow};
use crate::request::Wanted;
use crate::upload::Kind;
use crate::webhook;

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

/// What a sync takes, from where: the part of its record that is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The source as it was written.
    pub source: String,
    /// Who asked for it.
    pub author: String,
    /// What of it is taken.
    #[serde(default)]
    pub filters: Filter,
    /// The kind its sources must be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The branch or tag to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Every file of a Civitai version, not only its weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_files: bool,
    /// Civitai's info and a preview beside each file in the library.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sidecar: bool,
    /// Who is told of each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The stored credential to use in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Whether what is gone upstream is removed here, and how much at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Prune>,
}

/// How much a run may remove. Where more is gone upstream, nothing is removed:
/// a hub that shows an empty list for a day must not empty the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Prune {
    /// The most sources that one run removes.
    pub limit: u32,
    /// The most of what is held that one run removes, in percent.
    pub percent: u8,
}

impl Default for Prune {
    fn default() -> Self {
        Self {
            limit: 10,
            percent: 50,
        }
    }
}

impl Prune {
    /// Whether so many of so many may go.
    pub fn allows(self, missing: u64, held: u64) -> bool {
        missing <= u64::from(self.limit) && missing * 100 <= held * u64::from(self.percent)
    }
}

/// A sync to be, as somebody wrote it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it is called.
    pub name: String,
    /// When: a cron expression.
    pub cron: String,
    /// In which zone that is meant.
    pub time_zone: String,
    /// What it takes, from where.
    pub spec: Spec,
    /// Whether its schedule is out of force.
    pub is_paused: bool,
}

/// A draft that was found good.
#[derive(Debug)]
pub struct Checked {
    draft: Draft,
    schedule: Schedule,
}

impl Draft {
    /// A sync's record as a draft, to be changed.
    ///
    /// # Errors
    /// When the record can't be read.
    pub fn of(sync: &SyncRow) -> Result<Self, Error> {
        Ok(Self {
            name: sync.name.clone(),
            cron: sync.cron.clone(),
            time_zone: sync.time_zone.clone(),
            spec: Spec::of(sync)?,
            is_paused: sync.is_paused,
        })
    }

    /// Puts it in the place of a sync's record. The next run is counted from now.
    ///
    /// # Errors
    /// What is wrong with it: nothing is changed then.
    pub fn replace(self, sync: &mut SyncRow, reader: Reader<'_>) -> Result<(), Error> {
        let is_rescheduled = self.cron != sync.cron
            || self.time_zone != sync.time_zone
            || self.is_paused != sync.is_paused;
        let checked = self.check(reader)?;
        sync.spec = checked.draft.spec.to_json()?;
        sync.name.clone_from(&checked.draft.name);
        checked.schedule.expression().clone_into(&mut sync.cron);
        checked.schedule.zone().clone_into(&mut sync.time_zone);
        sync.is_paused = checked.draft.is_paused;
        if is_rescheduled {
            sync.next_run_at = checked.next_run_at(Utc::now());
        }
        Ok(())
    }

    /// Holds it against everything that can be known without a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(mut self, reader: Reader<'_>) -> Result<Checked, Error> {
        check_name(&self.name)?;
        let schedule = Schedule::parse(&self.cron, &self.time_zone)?;
        let (source, kept) = reader.read(&self.spec.source)?;
        self.spec.source = kept;
        self.spec.filters.compile()?;
        self.spec.check(&source, reader)?;
        Ok(Checked {
            draft: self,
            schedule,
        })
    }
}

impl Checked {
    /// Makes a sync of it.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] when the name is in use.
    pub async fn add(&self, records: &Records, owner: &str) -> Result<SyncRow, Error> {
        let spec = self.draft.spec.to_json()?;
        records
            .create_sync(&NewSync {
                owner,
                name: &self.draft.name,
                spec: &spec,
                cron: self.schedule.expression(),
                time_zone: self.schedule.zone(),
                is_paused: self.draft.is_paused,
                next_run_at: self.next_run_at(Utc::now()),
            })
            .await
    }

    fn next_run_at(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.draft.is_paused {
            None
        } else {
            self.schedule.next_after(after)
        }
    }
}

/// When a sync is due next after a moment. `None`: it is paused, or never.
pub fn next_run(sync: &SyncRow, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if sync.is_paused {
        return None;
    }
    let schedule = Schedule::parse(&sync.cron, &sync.time_zone).ok()?;
    schedule.next_after(after)
}

/// Names stand in commands, addresses and tables.
fn check_name(name: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count())
        && name.chars().all(is_plain)
        && name.trim() == name;
    if !fits {
        let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        return Err(
            Error::new(Code::InvalidRequest, format!("`{shown}` is no name")).hint(format!(
                "a sync's name is 1 to {LONGEST_NAME} letters, digits, blanks and -_. such as nightly-llama"
            )),
        );
    }
    if name.starts_with("sync_") {
        return Err(Error::new(
            Code::InvalidRequest,
            "a name that begins with sync_ looks like an id",
        )
        .hint("choose another name"));
    }
    Ok(())
}

impl Spec {
    /// Of a sync's record.
    ///
    /// # Errors
    /// When a later version wrote it.
    pub fn of(sync: &SyncRow) -> Result<Self, Error> {
        serde_json::from_value(sync.spec.clone())
            .map_err(|error| Error::internal("reading a sync", error))
    }

    fn to_json(&self) -> Result<serde_json::Value, Error> {
        serde_json::to_value(self).map_err(|error| Error::internal("keeping a sync", error))
    }

    /// How each of its sources is taken.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            kind: self.kind,
            selection: Selection {
                revision: self.revision.clone(),
                include: self.filters.include.clone(),
                exclude: self.filters.exclude.clone(),
                all_files: self.all_files,
                sha256: None,
                sidecar: self.sidecar,
            },
            ..Wanted::default()
        }
    }

    fn check(&self, source: &Source, reader: Reader<'_>) -> Result<(), Error> {
        let invalid = |message: &str| Error::new(Code::InvalidRequest, message);
        if let Some(revision) = &self.revision {
            if !matches!(source.kind(), SourceKind::Repo | SourceKind::List) {
                return Err(
                    invalid("a revision goes with one repository, or a list").hint(
                        "leave it out: each source of a list on a hub is followed as it stands",
                    ),
                );
            }
            if Commit::parse(revision).is_ok() {
                return Err(invalid(
                    "the revision is a commit, which never changes: there is nothing to follow",
                )
                .hint("name a branch or a tag"));
            }
        }
        if source.kind() == SourceKind::List && self.credential.is_some() {
            return Err(
                invalid("a list's sources may be anywhere, a credential is for one place").hint(
                    "leave it out: each source is asked for with what is stored for its host",
                ),
            );
        }
        if source.kind() == SourceKind::Url && self.kind.is_none() {
            return Err(invalid("a file behind a URL needs a kind").hint(
                "name its kind: 3d, asset, audio, avatar, image, model, text or video; or is it a list? write list:URL",
            ));
        }
        if let Some(url) = &self.webhook_url {
            reader
                .guard
                .map_or(Ok(()), |guard| webhook::url(url, guard).map(drop))?;
        }
        if let Some(prune) = self.prune
            && (prune.limit == 0 || !(1..=100).contains(&prune.percent))
        {
            return Err(invalid("a limit to pruning of nothing prunes nothing")
                .hint("a limit is from 1 on, a percentage from 1 to 100; leave prune out to keep everything"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(cron: &str, zone: &str) -> SyncRow {
        SyncRow {
            id: "sync_1".into(),
            owner_id: "local".into(),
            name: "nightly".into(),
            spec: serde_json::json!({}),
            cron: cron.into(),
            time_zone: zone.into(),
            is_paused: false,
            next_run_at: None,
            created_at: Utc::now(),
            updated_at: Utc::now(),
        }
    }

    #[test]
    fn a_name_is_one_that_can_be_typed() {
        for (name, is_good) in [
            ("nightly", true),
            ("my models 2", true),
            ("große-modelle", true),
            ("", false),
            (" a", false),
            ("a/b", false),
            ("a\nb", false),
            ("sync_1", false),
            (&"x".repeat(101), false),
        ] {
            assert_eq!(check_name(name).is_ok(), is_good, "{name:?}");
        }
    }

    #[test]
    fn pruning_stops_at_either_limit() {
        let prune = Prune {
            limit: 3,
            percent: 50,
        };
        for (missing, held, is_allowed) in [
            (0, 0, true),
            (1, 1, false),
            (1, 2, true),
            (3, 10, true),
            (4, 100, false),
        ] {
            assert_eq!(prune.allows(missing, held), is_allowed, "{missing}/{held}");
        }
    }

    /// Berlin skips 02:30 on 29 March 2026 and has it twice on 25 October.
    #[test]
    fn the_next_run_comes_once_where_the_clock_skips_or_repeats_its_hour() {
        let nightly = sync("30 2 * * *", "Europe/Berlin");
        for (ended, next) in [
            ("2026-03-28T01:40:00Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T01:00:30Z", "2026-03-30T00:30:00Z"),
            ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            // A run that ended between the two 02:30 is not run a second time.
            ("2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"),
        ] {
            let found = next_run(&nightly, ended.parse().unwrap());
            assert_eq!(found, Some(next.parse().unwrap()), "after {ended}");
        }
    }

    #[test]
    fn what_is_paused_is_not_due() {
        let paused = SyncRow {
            is_paused: true,
            ..sync("@hourly", "UTC")
        };
        assert_eq!(next_run(&paused, Utc::now()), None);
    }
}

//! Syncs and their runs in words, for people.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::cli::output::{count, printable, size};
use crate::records::{Named, RunCounts, RunStatus};
use crate::sync::{Filter, ShownRun, ShownSync, What};

/// `nightly  https://huggingface.co/acme`
pub(super) fn title(sync: &ShownSync) -> String {
    let sort = sync.listing.map_or("unreadable", |sort| sort.as_str());
    printable(&format!("{}  {sort} {}", sync.name, sync.source))
}

/// What it takes, and when, a line each.
pub(super) fn plan(sync: &ShownSync) -> Vec<String> {
    let mut lines = vec![
        format!("  id        {}", sync.id),
        format!(
            "  when      {} ({}), {}",
            sync.schedule, sync.cron, sync.timezone
        ),
    ];
    lines.extend(next(sync));
    let mut takes = filter(&sync.filters);
    takes.extend(sync.revision.as_ref().map(|at| format!("at {at}")));
    takes.extend(sync.kind.map(|kind| format!("as {kind}")));
    if !takes.is_empty() {
        lines.push(format!("  takes     {}", takes.join("; ")));
    }
    if let Some(prune) = sync.prune {
        lines.push(format!(
            "  prunes    what is gone upstream, at most {} or {} % a run",
            count(prune.limit as usize, "source"),
            prune.percent
        ));
    }
    if let Some(name) = &sync.credential {
        lines.push(format!("  uses      the credential {name}"));
    }
    if let Some(url) = &sync.webhook_url {
        lines.push(format!("  tells     {url}"));
    }
    lines.iter().map(|line| printable(line)).collect()
}

/// When it runs next, in its own zone.
pub(super) fn next(sync: &ShownSync) -> Option<String> {
    if sync.paused {
        return Some("  next      paused: `sync resume` puts its schedule into force".to_owned());
    }
    let runs = sync.next_runs.iter().take(3);
    let runs: Vec<String> = runs.map(|at| local(at.0, &sync.timezone)).collect();
    (!runs.is_empty()).then(|| format!("  next      {}", runs.join(", ")))
}

fn filter(filter: &Filter) -> Vec<String> {
    let words = |what: &str, words: &[String]| {
        (!words.is_empty()).then(|| format!("{what} {}", words.join(" or ")))
    };
    let parts = [
        words("names like", &filter.name),
        words("base model", &filter.base_model),
        words("type", &filter.model_type),
        filter
            .max_size
            .map(|most| format!("at most {}", size(Some(most)))),
        filter.newest.map(|most| format!("the newest {most}")),
        filter
            .since
            .map(|since| format!("since {}", since.format("%Y-%m-%d %H:%M UTC"))),
        words("files like", &filter.include),
        words("no files like", &filter.exclude),
    ];
    parts.into_iter().flatten().collect()
}

/// Every sync on a line, under a heading.
pub(super) fn table(syncs: &[ShownSync]) -> Vec<String> {
    let rows: Vec<[String; 5]> = syncs.iter().map(row).collect();
    let heading = ["NAME", "SOURCE", "NEXT", "LAST RUN", "FOUND"].map(str::to_owned);
    let all: Vec<[String; 5]> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        let widths = all.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2), width(3)];
    all.iter()
        .map(|[name, source, next, last, found]| {
            let line = format!(
                "{name:0$}  {source:1$}  {next:2$}  {last:3$}  {found}",
                widths[0], widths[1], widths[2], widths[3]
            );
            printable(line.trim_end())
        })
        .collect()
}

fn row(sync: &ShownSync) -> [String; 5] {
    let next = match (sync.paused, sync.next_run_at) {
        (true, _) => "paused".to_owned(),
        (false, Some(at)) => local(at.0, &sync.timezone),
        (false, None) => "never".to_owned(),
    };
    let (last, found) = match &sync.last_run {
        Some(run) => {
            let began = run.started_at.0.format("%m-%d %H:%MZ");
            (format!("{} {began}", run.status), counts(&run.counts))
        }
        None => ("none yet".to_owned(), String::new()),
    };
    [sync.name.clone(), short(&sync.source), next, last, found]
}

/// A source in the room that a table has.
fn short(source: &str) -> String {
    const ROOM: usize = 44;
    let bare = source.strip_prefix("https://").unwrap_or(source);
    if bare.chars().count() <= ROOM {
        return bare.to_owned();
    }
    let kept: String = bare.chars().take(ROOM - 1).collect();
    format!("{kept}…")
}

/// A moment by the clock of a zone.
fn local(at: DateTime<Utc>, zone: &str) -> String {
    match zone.parse::<Tz>() {
        Ok(zone) => at
            .with_timezone(&zone)
            .format("%Y-%m-%d %H:%M %Z")
            .to_string(),
        Err(_) => at.format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

/// A line a run, the newest first.
pub(super) fn history(runs: &[ShownRun]) -> Vec<String> {
    if runs.is_empty() {
        return vec!["  runs      none yet".to_owned()];
    }
    let mut lines = vec!["  runs".to_owned()];
    for run in runs {
        let began = run.started_at.0.format("%Y-%m-%d %H:%MZ");
        lines.push(format!(
            "    {began}  {:8}  {:11}  {}",
            run.cause.as_str(),
            run.status.as_str(),
            summary(run)
        ));
        if let Some(error) = &run.error {
            lines.push(format!("      {} [{}]", error.message, error.code));
        }
    }
    if let Some(last) = runs.iter().find(|run| run.status != RunStatus::Waiting) {
        lines.extend(
            difference(last)
                .into_iter()
                .map(|line| format!("      {line}")),
        );
    }
    lines.iter().map(|line| printable(line)).collect()
}

/// `done: 12 seen, 2 new, 1 changed, 9 unchanged; 12 MiB in 3.2 s`
pub(super) fn ended(run: &ShownRun) -> String {
    format!("{}: {}", run.status, summary(run))
}

fn summary(run: &ShownRun) -> String {
    let moved = size(Some(run.counts.bytes));
    let took = run.ended_at.map(|ended| ended.0 - run.started_at.0);
    let took = took.map(|took| format!(" in {}", duration(took)));
    format!(
        "{}; {moved}{}",
        counts(&run.counts),
        took.unwrap_or_default()
    )
}

fn duration(took: chrono::TimeDelta) -> String {
    let seconds = took.num_milliseconds().max(0) as f64 / 1000.0;
    match seconds {
        ..60.0 => format!("{seconds:.1} s"),
        60.0..3600.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// Always how many were seen; of the rest what is not nothing.
pub(super) fn counts(counts: &RunCounts) -> String {
    let rest = [
        (counts.new, "new"),
        (counts.changed, "changed"),
        (counts.unchanged, "unchanged"),
        (counts.failed, "failed"),
        (counts.missing, "missing"),
        (counts.pruned, "pruned"),
    ];
    let parts: Vec<String> = std::iter::once((counts.seen, "seen"))
        .chain(rest.into_iter().filter(|(number, _)| *number > 0))
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    parts.join(", ")
}

/// A line a source that is not as it was.
pub(super) fn difference(run: &ShownRun) -> Vec<String> {
    let found = &run.difference;
    let lists = [
        (What::New, &found.new),
        (What::Changed, &found.changed),
        (What::Missing, &found.missing),
        (What::Pruned, &found.pruned),
        (What::Failed, &found.failed),
    ];
    let mut lines: Vec<String> = lists
        .iter()
        .flat_map(|(what, list)| list.iter().map(|named| finding(*what, named, 0)))
        .collect();
    if found.cut {
        lines.push("…         and more: the counts tell how many".to_owned());
    }
    lines
}

/// One source of a run.
pub(super) fn finding(what: What, named: &Named, bytes: u64) -> String {
    let word = match what {
        What::New => "new",
        What::Changed => "changed",
        What::Unchanged => "unchanged",
        What::Failed => "failed",
        What::Missing => "missing",
        What::Pruned => "pruned",
        What::Unfit => "left out",
    };
    let mut line = format!("{word:9} {}", named.source);
    if named.name != named.source {
        line += &format!(" ({})", named.name);
    }
    let revision = named.revision.as_deref().map(brief);
    match (what, named.from.as_deref().map(brief), revision) {
        (What::Changed, Some(from), Some(to)) => line += &format!("  {from} → {to}"),
        (What::New | What::Changed, _, Some(at)) => line += &format!("  at {at}"),
        (What::Missing, _, Some(at)) => line += &format!("  gone upstream; {at} is kept here"),
        _ => {}
    }
    if bytes > 0 {
        line += &format!("  {}", size(Some(bytes)));
    }
    if let Some(error) = &named.error {
        line += &format!("  {} [{}]", error.message, error.code);
    }
    printable(&line)
}

/// Of a commit, as much as a person compares.
fn brief(revision: &str) -> &str {
    match revision.len() {
        40 => revision.get(..10).unwrap_or(revision),
        _ => revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_tell_what_is_not_nothing() {
        let some = RunCounts {
            seen: 12,
            new: 2,
            unchanged: 10,
            ..RunCounts::default()
        };
        assert_eq!(counts(&some), "12 seen, 2 new, 10 unchanged");
        assert_eq!(counts(&RunCounts::default()), "0 seen");
    }

    #[test]
    fn a_source_of_a_run_takes_one_line() {
        let named = Named {
            source: "acme/tiny".into(),
            name: "acme/tiny".into(),
            revision: Some("b".repeat(40)),
            from: Some("a".repeat(40)),
            ..Named::default()
        };
        for (what, line) in [
            (
                What::Changed,
                "changed   acme/tiny  aaaaaaaaaa → bbbbbbbbbb  1.00 KiB",
            ),
            (What::New, "new       acme/tiny  at bbbbbbbbbb  1.00 KiB"),
            (What::Pruned, "pruned    acme/tiny  1.00 KiB"),
        ] {
            assert_eq!(finding(what, &named, 1024), line);
        }
    }

    #[test]
    fn a_time_is_shown_by_the_clock_of_its_zone() {
        let at = "2026-07-01T01:00:00Z".parse().unwrap();
        assert_eq!(local(at, "Europe/Berlin"), "2026-07-01 03:00 CEST");
    }
}

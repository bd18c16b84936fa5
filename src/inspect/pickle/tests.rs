use modelferry_fixtures::build::Pickle;

use super::{AllowList, End, Feed, Region, Report, walk_all};
use crate::inspect::source::Source;

mod calls;
mod machine;
mod names;

/// Walks bytes as pickles.
fn walked(bytes: &[u8]) -> Report {
    walked_with(bytes, "")
}

fn walked_with(bytes: &[u8], allowed: &str) -> Report {
    let mut content = std::io::Cursor::new(bytes);
    let mut source = Source::new(&mut content, bytes.len() as u64);
    let allowed = AllowList::parse(allowed).unwrap();
    let mut region = Region::new(&mut source, 0, u64::MAX);
    walk_all(&mut Feed::new(&mut region), &allowed).unwrap()
}

fn violations(report: &Report) -> Vec<&str> {
    report.violations.iter().map(|v| v.text.as_str()).collect()
}

/// Expects a pickle that loads and does nothing forbidden.
fn assert_harmless(bytes: &[u8]) {
    let report = walked(bytes);
    assert_eq!(violations(&report), Vec::<&str>::new());
    assert_eq!(report.end, End::Stopped);
    assert_eq!(report.geometry, None);
}

/// Expects that a violation says `what`.
fn assert_violates(bytes: &[u8], what: &str) {
    let report = walked(bytes);
    let found = violations(&report);
    assert!(
        found.iter().any(|text| text.contains(what)),
        "{found:?} should say `{what}`; it ended {:?}",
        report.end
    );
}

/// Expects that a loader would fail, saying `why`, after nothing forbidden.
fn assert_breaks(bytes: &[u8], why: &str) {
    let report = walked(bytes);
    assert_eq!(violations(&report), Vec::<&str>::new());
    match &report.end {
        End::Broken(text) => assert!(text.contains(why), "`{text}` should say `{why}`"),
        other => panic!("it ended {other:?} and should say `{why}`"),
    }
}

fn of_protocol_2() -> Pickle {
    Pickle::protocol(2)
}

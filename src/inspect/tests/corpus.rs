//! The corpus of files to refuse: every one is, by its rule.

use modelferry_fixtures::corpus::{Case, malformed, unsafe_pickles};

use super::refusal;

fn faults(cases: &[Case]) -> Vec<String> {
    let judged = |case: &Case| {
        let (code, message) = refusal(&case.path, &case.bytes);
        let fits = code == case.code && message.contains(&case.says);
        (!fits).then(|| {
            format!(
                "{}: {code}: {message} (should be {} with `{}`)",
                case.name, case.code, case.says
            )
        })
    };
    cases.iter().filter_map(judged).collect()
}

#[test]
fn every_unsafe_pickle_is_refused_by_its_rule() {
    let cases = unsafe_pickles();
    assert!(cases.len() >= 40);
    assert_eq!(faults(&cases), Vec::<String>::new());
}

#[test]
fn every_malformed_file_is_refused_by_its_rule() {
    let cases = malformed();
    assert!(cases.len() >= 40);
    assert_eq!(faults(&cases), Vec::<String>::new());
}

#[test]
fn each_case_has_its_own_name() {
    let mut names = std::collections::HashSet::new();
    for case in unsafe_pickles().into_iter().chain(malformed()) {
        assert!(names.insert(case.name.clone()), "{}", case.name);
    }
}

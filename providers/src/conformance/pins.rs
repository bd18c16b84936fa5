//! Plans: pinned, storable, with safe paths.

use std::collections::HashSet;

use super::{Factory, failure, parse, plan, resolve};
use crate::{ErrorKind, Plan, ProviderError, RelPath};

/// A revision does not move while the source does not.
pub async fn resolving_twice_pins_the_same<F: Factory>(world: &F) {
    for source in [world.good(), world.gated()] {
        let (first, second) = (plan(world, &source).await, plan(world, &source).await);
        assert!(!first.revision.is_empty());
        assert_eq!(first, second, "{source}");
        assert_eq!(first.provider, world.provider().kind());
        assert!(!first.artifacts.is_empty());
    }
}

/// A plan can be written down and read back whole.
pub async fn a_plan_survives_being_stored<F: Factory>(world: &F) {
    let plan = plan(world, &world.good()).await;
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
}

/// No two files of a plan would meet on any file system, and none leaves its folder.
pub async fn paths_are_distinct_and_safe<F: Factory>(world: &F) {
    for source in [world.good(), world.gated()] {
        let plan = plan(world, &source).await;
        let mut seen = HashSet::new();
        for file in &plan.artifacts {
            assert!(seen.insert(file.path.fold_key()), "{} twice", file.path);
            assert_eq!(RelPath::parse(file.path.as_str()).as_ref(), Ok(&file.path));
        }
        for part in [&plan.place.owner, &plan.place.name, &plan.place.revision] {
            assert_eq!(part.segments().count(), 1, "{part} is more than a name");
        }
    }
}

/// What is not there is said not to be.
pub async fn what_is_missing_is_not_found<F: Factory>(world: &F) {
    let error = failure(resolve(world, &world.missing(), &world.auth()).await);
    assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}");
    assert!(!error.is_transient(), "asking again would not help");
}

/// The plan with these patterns.
async fn selected<F: Factory>(
    world: &F,
    include: &[&str],
    exclude: &[&str],
) -> Result<Plan, ProviderError> {
    let mut reference = parse(world, &world.several());
    let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
    reference.selection.include = owned(include);
    reference.selection.exclude = owned(exclude);
    let auth = world.auth();
    world.provider().resolve(&reference, &auth).await
}

/// A plan holds the files asked for and no other; what leaves none is an error.
pub async fn a_selection_chooses_among_the_files<F: Factory>(world: &F) {
    let everything = selected(world, &["*"], &[]).await.unwrap();
    for file in &everything.artifacts {
        let pattern: String = file.path.as_str().chars().map(literal).collect();
        let chosen = selected(world, &[&pattern], &[]).await.unwrap();
        assert_eq!(chosen.artifacts, std::slice::from_ref(file), "{pattern}");
        match selected(world, &["*"], &[&pattern]).await {
            Ok(rest) => {
                assert_eq!(rest.artifacts.len() + 1, everything.artifacts.len());
                assert!(!rest.artifacts.contains(file), "{pattern}");
            }
            Err(error) => {
                failure::<()>(Err(error));
                assert_eq!(everything.artifacts.len(), 1, "others were left");
            }
        }
    }
    for (include, exclude) in [("no such file", "x"), ("*", "*"), ("", "x")] {
        let error = failure(selected(world, &[include], &[exclude]).await);
        assert!(
            matches!(error.kind, ErrorKind::NotFound | ErrorKind::InvalidSource),
            "{error:?}"
        );
        assert!(!error.is_transient());
    }
}

/// A character as a pattern that matches it alone.
fn literal(c: char) -> String {
    match c {
        '*' | '?' | '[' => format!("[{c}]"),
        _ => c.to_string(),
    }
}

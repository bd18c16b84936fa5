//! What each source resolves to: repository, folder, file; revisions; patterns.

use super::*;

#[tokio::test]
async fn a_repository_resolves_to_all_its_files_at_its_commit() {
    let harbour = standard().await;
    let plan = harbour.plan("acme/tiny").await;
    let scene = harbour.hub.scene();
    let repo = scene.find_repo("acme/tiny").unwrap();
    assert_eq!(plan.revision, repo.sha());
    assert_eq!((plan.name.as_str(), plan.is_asset), ("acme/tiny", false));
    assert_eq!(
        plan.page,
        harbour.page(&format!("acme/tiny/tree/{}", repo.sha()))
    );
    assert_eq!(plan.place.owner.as_str(), "acme");
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    assert_eq!(plan.artifacts.len(), repo.main.files.len());
    for file in &repo.main.files {
        let found = plan.artifacts.iter().find(|a| a.path.as_str() == file.path);
        let found = found.unwrap_or_else(|| panic!("{} is missing", file.path));
        assert_eq!(
            found.size,
            Size::Exact(file.content.size()),
            "{}",
            file.path
        );
        let (sha256, git) = match file.is_lfs {
            true => (Some(file.content.sha256()), None),
            false => (None, Some(file.content.git_sha1())),
        };
        let stated = &found.digests;
        assert_eq!(
            stated.sha256.map(|d| d.to_string()),
            sha256,
            "{}",
            file.path
        );
        assert_eq!(stated.git_sha1.map(|d| d.to_string()), git, "{}", file.path);
        assert_eq!(stated.header, None);
    }
}

#[tokio::test]
async fn datasets_and_spaces_are_assets_in_places_of_their_own() {
    let harbour = standard().await;
    for (source, files, owner) in [
        ("hf://datasets/acme/data", 2, "datasets--acme"),
        (
            "https://huggingface.co/datasets/acme/data/tree/main",
            2,
            "datasets--acme",
        ),
        ("hf://spaces/acme/app", 1, "spaces--acme"),
    ] {
        let plan = harbour.plan(source).await;
        assert!(plan.is_asset, "{source}");
        assert_eq!(plan.artifacts.len(), files, "{source}");
        assert_eq!(plan.place.owner.as_str(), owner);
        let file = plan.artifacts.last().unwrap();
        assert_eq!(
            harbour.bytes(file).await.len() as u64,
            file.size.exact().unwrap()
        );
    }
}

/// A repository whose refs differ in one file's name.
fn forked() -> Repo {
    let file = |name: &str| RepoFile::plain(name, Content::bytes(name.to_owned()));
    let mut repo = Repo::model("acme/forked")
        .put(file("sub/old.txt"))
        .branch("feature/x")
        .put(file("sub/tagged.txt"))
        .tag("v1")
        .put(file("sub/pulled.txt"))
        .pull(7)
        .put(file("sub/converted.txt"))
        .convert("parquet")
        .put(file("sub/a b#.txt"))
        .put(file("sub/a%2Fb.txt"));
    repo.commit(|tree| tree.put(file("new.txt")));
    repo
}

#[tokio::test]
async fn every_way_to_name_a_revision_leads_to_its_commit() {
    let harbour = with_repo(forked()).await;
    let scene = harbour.hub.scene();
    let repo = scene.find_repo("acme/forked").unwrap();
    let before = repo.sha_of(&repo.history[0]);
    for (source, files) in [
        ("acme/forked".to_owned(), 7),
        ("acme/forked@main".into(), 7),
        ("acme/forked@feature/x".into(), 1),
        ("acme/forked@feature%2Fx".into(), 1),
        ("acme/forked@v1".into(), 2),
        ("acme/forked@refs/pr/7".into(), 3),
        ("acme/forked@refs/heads/feature/x".into(), 1),
        (format!("acme/forked@{before}"), 6),
        (format!("acme/forked@{}", &before[..7]), 6),
        ("hf://acme/forked@feature%2Fx".into(), 1),
        ("hf://acme/forked@feature/x/sub".into(), 1),
        ("hf://acme/forked@refs/convert/parquet/sub".into(), 4),
        ("hf.co/acme/forked/tree/feature%2Fx".into(), 1),
        ("hf.co/acme/forked/tree/feature/x".into(), 1),
        ("hf.co/acme/forked/tree/feature/x/sub".into(), 1),
        ("hf.co/acme/forked/tree/refs/pr/7".into(), 3),
        ("hf.co/acme/forked/tree/refs%2Fpr%2F7/sub".into(), 3),
        ("hf.co/acme/forked/tree/v1/sub".into(), 2),
        ("hf.co/acme/forked/blob/feature/x/sub/old.txt".into(), 1),
        (
            "hf.co/acme/forked/resolve/v1/sub/tagged.txt?download=true".into(),
            1,
        ),
        ("hf.co/acme/forked/resolve/main/sub/a%20b%23.txt".into(), 1),
        ("hf.co/acme/forked/blob/main/sub/a%252Fb.txt".into(), 1),
        ("hf.co/acme/forked/resolve/main/sub/a%2Fb.txt".into(), 1),
        ("hf://acme/forked/sub".into(), 6),
        ("hf://acme/forked/new.txt".into(), 1),
    ] {
        let plan = harbour.plan(&source).await;
        assert_eq!(plan.artifacts.len(), files, "{source}: {:?}", paths(&plan));
        assert_eq!(plan.revision.len(), 40, "{source}");
        let again = harbour.plan(&plan.reference).await;
        assert_eq!(
            again.artifacts, plan.artifacts,
            "{source} as {}",
            plan.reference
        );
        for file in &plan.artifacts {
            let bytes = harbour.bytes(file).await;
            assert_eq!(bytes, file.path.as_str().as_bytes(), "{source}");
        }
    }
}

#[tokio::test]
async fn a_revision_may_stand_beside_the_source() {
    let harbour = with_repo(forked()).await;
    for revision in ["v1", "feature/x", "refs/pr/7"] {
        let mut reference = harbour.read("acme/forked");
        reference.selection.revision = Some(revision.into());
        let auth = Auth::anonymous();
        let beside = harbour.provider.resolve(&reference, &auth).await.unwrap();
        let within = harbour.plan(&format!("acme/forked@{revision}")).await;
        assert_eq!(beside, within, "{revision}");
    }
    for (source, revision) in [("acme/forked@v1", "main"), ("acme/forked", "a..b")] {
        let mut reference = harbour.read(source);
        reference.selection.revision = Some(revision.into());
        harbour.hub.forget_requests();
        let auth = Auth::anonymous();
        let resolved = harbour.provider.resolve(&reference, &auth);
        assert_eq!(failure(resolved.await).kind, ErrorKind::InvalidSource);
        assert!(harbour.hub.requests().is_empty(), "known without asking");
    }
}

#[tokio::test]
async fn the_refs_are_asked_for_only_when_the_first_reading_fails() {
    let harbour = with_repo(forked()).await;
    let refs = || {
        let asked = harbour.hub.requests();
        asked
            .iter()
            .filter(|seen| seen.path.ends_with("/refs"))
            .count()
    };
    for (source, expected) in [
        ("hf.co/acme/forked/blob/v1/sub/old.txt", 0),
        ("hf.co/acme/forked/blob/feature%2Fx/sub/old.txt", 0),
        ("hf.co/acme/forked/tree/refs/pr/7/sub", 0),
        ("hf.co/acme/forked/blob/feature/x/sub/old.txt", 1),
    ] {
        harbour.hub.forget_requests();
        harbour.plan(source).await;
        assert_eq!(refs(), expected, "{source}");
    }
    harbour.hub.forget_requests();
    let error = failure(harbour.resolve("hf.co/acme/forked/blob/feature/y/f").await);
    assert_eq!(refs(), 1);
    assert!(error.message.contains("`feature`"), "{error}");
}

#[tokio::test]
async fn a_root_name_leads_to_where_the_repository_is_today() {
    let harbour = standard().await;
    let plan = harbour.resolve_as("gpt2", &token("hf_good")).await.unwrap();
    assert_eq!(plan.name, "openai-community/gpt2");
    assert_eq!(plan.reference, "openai-community/gpt2");
    assert_eq!(codes(&plan), ["renamed"]);
    assert!(plan.warnings[0].message.contains("openai-community/gpt2"));
    let requests = harbour.requests_to(Site::HuggingFace);
    let sent = |seen: &Seen| seen.authorization.as_deref() == Some("Bearer hf_good");
    assert!(
        requests.iter().all(sent),
        "the token stays on its own origin"
    );
    assert_eq!(requests[0].status, 307);
}

#[tokio::test]
async fn a_renamed_repository_resolves_and_reads_by_its_old_name() {
    let harbour = standard().await;
    let plan = harbour.plan("hf://acme/old-name/config.json").await;
    assert_eq!(
        (codes(&plan), paths(&plan)),
        (vec!["renamed"], vec!["config.json"])
    );
    let held = harbour.held("acme/renamed");
    assert_eq!(
        harbour.bytes(&plan.artifacts[0]).await,
        held["config.json"].to_vec()
    );
}

#[tokio::test]
async fn patterns_choose_as_the_hubs_own_client_chooses() {
    let harbour = standard().await;
    let chosen = async |include: &[&str], exclude: &[&str]| {
        let mut reference = harbour.read("acme/tiny");
        let owned = |globs: &[&str]| globs.iter().map(|&g| g.to_owned()).collect();
        reference.selection.include = owned(include);
        reference.selection.exclude = owned(exclude);
        let auth = Auth::anonymous();
        let resolved = harbour.provider.resolve(&reference, &auth);
        resolved.await.map(|plan| {
            let mut paths: Vec<String> = paths(&plan).iter().map(|&p| p.to_owned()).collect();
            paths.sort();
            paths
        })
    };
    for (include, exclude, expected) in [
        (&["*.safetensors"][..], &[][..], &["model.safetensors"][..]),
        (&["*.json"], &[], &["config.json", "tokenizer.json"]),
        (&["sub/"], &[], &["sub/a b#.txt", "sub/extra.bin"]),
        (
            &["sub/*", "README.md"],
            &["*.bin"],
            &["README.md", "sub/a b#.txt"],
        ),
        (&["*extra*"], &[], &["sub/extra.bin"]),
        (&["config.jso[!x]"], &[], &["config.json"]),
        (
            &[],
            &["*.json", "sub/", "*.md", "*.txt"],
            &["model.safetensors"],
        ),
    ] {
        assert_eq!(chosen(include, exclude).await.unwrap(), expected);
    }
    let error = failure(chosen(&["*.gguf"], &["x*"]).await);
    assert_eq!(error.kind, ErrorKind::NotFound);
    let hint = error.hint.unwrap();
    assert!(
        error.message.contains("--include `*.gguf` --exclude `x*`"),
        "{}",
        error.message
    );
    assert!(hint.contains("README.md"), "{hint}");
    assert_eq!(
        failure(chosen(&[""], &[]).await).kind,
        ErrorKind::InvalidSource
    );
}

#[tokio::test]
async fn a_repository_without_files_is_not_found_to_have_any() {
    let harbour = with_repo(Repo::model("acme/empty")).await;
    let error = failure(harbour.resolve("acme/empty").await);
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("no files"), "{error}");
}

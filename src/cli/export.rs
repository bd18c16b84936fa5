//! `export`

mod sbom;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::Exit;
use super::output::{Output, ShownError, count, printable, size};
use super::session::Session;
use crate::config::Config;
use crate::entity::Manifest;
use crate::entity::export::{self, Arrangement, From, How, Layout, Target};
use crate::error::{Code, Error};
use crate::request::LOCAL_OWNER;
use crate::storage::{Storage, StorageError, StorageKey};

/// The longest manifest that is read: some 100,000 files.
const LONGEST_MANIFEST: u64 = 64 * 1024 * 1024;

/// The words of `export`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("form").args(["layout", "sbom"]).required(true).multiple(true)))]
pub(super) struct ExportArgs {
    /// Entities' ids, or those of the uploads they came of; `--sbom` takes all there are where none is named
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Whose form it takes: files, huggingface-cache or comfyui
    #[arg(long, requires = "to", requires = "ids")]
    layout: Option<Layout>,
    /// The folder: any for `files`, HF_HUB_CACHE for `huggingface-cache`, ComfyUI's own for `comfyui`
    #[arg(long, value_name = "DIR", requires = "layout")]
    to: Option<PathBuf>,
    /// Write a bill of materials: the models, their files, hashes and licences (CycloneDX 1.6, JSON; `-` for stdout)
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Replace files that are there with other content
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownExport<'a> {
    id: &'a str,
    to: &'a Path,
    files: Vec<ShownFile<'a>>,
    left_out: Vec<ShownLeftOut<'a>>,
}

#[derive(Serialize)]
struct ShownFile<'a> {
    path: &'a str,
    target: PathBuf,
    size: u64,
    how: How,
}

#[derive(Serialize)]
struct ShownLeftOut<'a> {
    path: &'a str,
    reason: &'static str,
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    args: &ExportArgs,
) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let exported = tokio::select! {
        exported = each(output, &session, args) => exported,
        () = session.cancel.cancelled() => {
            output.note("interrupted; run the same command again to go on from here");
            return Ok(Exit::Interrupted);
        }
    };
    session.close().await;
    Ok(exported)
}

/// All that was asked for; one that fails stops no other.
async fn each(output: &Output, session: &Session, args: &ExportArgs) -> Exit {
    let mut exit = Exit::Done;
    let mut fail = |id: Option<&str>, error: &Error| {
        if output.json {
            let error = ShownError::from(error);
            output.json_line(&serde_json::json!({ "id": id, "error": error }));
        }
        output.error(error);
        exit = Exit::Failed;
    };
    if let (Some(layout), Some(to)) = (args.layout, &args.to) {
        for id in &args.ids {
            if let Err(error) = export(output, session, id, layout, to, args.force).await {
                fail(Some(id), &error);
            }
        }
    }
    if let Some(target) = &args.sbom
        && let Err(error) = sbom::write(output, session, &args.ids, target).await
    {
        fail(None, &error);
    }
    exit
}

async fn export(
    output: &Output,
    session: &Session,
    id: &str,
    layout: Layout,
    to: &Path,
    force: bool,
) -> Result<(), Error> {
    let storage = &session.ferry.storage;
    let manifest = manifest(session, id).await?;
    let reference = session.ferry.providers.parse(&manifest.source.reference)?;
    let arrangement = layout.arrange(&manifest, &reference.locator)?;
    let to = std::path::absolute(to)
        .map_err(|error| Error::new(Code::InvalidRequest, format!("--to is no folder: {error}")))?;
    let mut shown = ShownExport {
        id: &manifest.id,
        to: &to,
        files: Vec::with_capacity(arrangement.files.len()),
        left_out: Vec::new(),
    };
    for (number, path) in &arrangement.files {
        let Some(file) = manifest.files.get(*number) else {
            continue;
        };
        let from = source(storage, StorageKey::Blob(file.sha256)).await?;
        let (root, place, sha256, replace) = (to.clone(), path.clone(), file.sha256, force);
        let how = off_the_runtime(move || {
            let target = Target {
                root: &root,
                path: &place,
                sha256,
                replace,
            };
            export::place(from, &target)
        })
        .await?;
        shown.files.push(ShownFile {
            path: &file.path,
            target: to.join(path),
            size: file.size,
            how,
        });
    }
    let left_out = arrangement.left_out.iter();
    shown.left_out = left_out
        .map(|(path, reason)| ShownLeftOut { path, reason })
        .collect();
    finish(to.clone(), &arrangement).await?;
    print(output, &manifest, &shown);
    Ok(())
}

/// Links and texts come last: whoever sees them finds the files.
async fn finish(to: PathBuf, arrangement: &Arrangement) -> Result<(), Error> {
    let (links, texts) = (arrangement.links.clone(), arrangement.texts.clone());
    off_the_runtime(move || {
        for (path, target) in &links {
            export::link(&to, path, target)?;
        }
        for (path, text) in &texts {
            export::write(&to, path, text)?;
        }
        Ok(())
    })
    .await
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("exporting", error))?
}

async fn source(storage: &Arc<dyn Storage>, key: StorageKey) -> Result<From, Error> {
    if let Some(root) = storage.local_root() {
        return Ok(From::Blob(root.join(key.object_name())));
    }
    Ok(From::Content(storage.open(&key).await?))
}

/// The manifest of an entity, or of the one that an upload came to.
async fn manifest(session: &Session, id: &str) -> Result<Manifest, Error> {
    let entity = if id.starts_with("upload_") {
        let detail = session.ferry.records.get(LOCAL_OWNER, id).await?;
        detail.upload.entity_id.ok_or_else(|| {
            Error::new(
                Code::InvalidRequest,
                format!(
                    "{id} is {}: it has no entity to export",
                    detail.upload.status
                ),
            )
            .hint("`modelferry uploads list --status imported` shows those that have")
        })?
    } else {
        id.to_owned()
    };
    let unknown = || {
        Error::new(
            Code::NotFound,
            format!("there is no entity {}", entity.escape_debug()),
        )
        .hint("`modelferry uploads show ID` names the entity of an upload")
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if entity.is_empty() || !entity.chars().all(is_name) {
        return Err(unknown());
    }
    let key = StorageKey::Manifest {
        entity: entity.clone(),
    };
    let content = match session.ferry.storage.open(&key).await {
        Err(StorageError::Missing(_)) => return Err(unknown()),
        other => other?,
    };
    off_the_runtime(move || {
        serde_json::from_reader(content.take(LONGEST_MANIFEST)).map_err(|error| {
            Error::new(
                Code::StorageError,
                format!("the manifest of {entity} can't be read: {error}"),
            )
        })
    })
    .await
}

fn print(output: &Output, manifest: &Manifest, shown: &ShownExport<'_>) {
    if output.json {
        output.json_line(shown);
        return;
    }
    let bytes = shown.files.iter().map(|file| file.size).sum();
    output.line(&format!(
        "exported  {}: {}, {}",
        printable(&manifest.name),
        count(shown.files.len(), "file"),
        size(Some(bytes))
    ));
    for file in &shown.files {
        let how = match file.how {
            How::Present => "there already",
            How::Reflink => "reflink",
            How::Hardlink => "hard link",
            How::Copy => "copy",
        };
        let target = file.target.display().to_string();
        output.line(&format!("  {how:13}  {}", printable(&target)));
    }
    for file in &shown.left_out {
        output.note(&format!(
            "left out: {} ({})",
            printable(file.path),
            file.reason
        ));
    }
}

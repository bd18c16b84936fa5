//! `export --sbom`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use super::{manifest, off_the_runtime};
use crate::cli::output::{Output, count, printable};
use crate::cli::session::Session;
use crate::entity::Manifest;
use crate::entity::sbom::Writer;
use crate::error::{Code, Error};
use crate::records::Filter;
use crate::request::LOCAL_OWNER;
use crate::upload::UploadStatus;

/// Records read at once.
const PAGE: u32 = 200;

#[derive(Serialize)]
struct ShownSbom<'a> {
    sbom: &'a Path,
    entities: usize,
}

/// Writes the document of these entities, or of all there are. A file gets its
/// name once it is whole.
pub(super) async fn write(
    output: &Output,
    session: &Session,
    ids: &[String],
    target: &Path,
) -> Result<(), Error> {
    if target.as_os_str() == "-" {
        collect(session, ids, Box::new(io::stdout()))
            .await
            .map(drop)?;
        return Ok(());
    }
    let partial = beside(target);
    let file = std::fs::File::create(&partial).map_err(|error| unwritable(target, &error))?;
    let file = Box::new(io::BufWriter::new(file));
    let written = collect(session, ids, file).await.and_then(|entities| {
        std::fs::rename(&partial, target).map_err(|error| unwritable(target, &error))?;
        Ok(entities)
    });
    let entities = written.inspect_err(|_| {
        let _ = std::fs::remove_file(&partial);
    })?;
    if output.json {
        output.json_line(&ShownSbom {
            sbom: target,
            entities,
        });
    } else {
        let target = target.display().to_string();
        let named = count(entities, "component");
        output.line(&format!("wrote  {}: {named}", printable(&target)));
    }
    Ok(())
}

type Target = Box<dyn Write + Send>;

async fn collect(session: &Session, ids: &[String], to: Target) -> Result<usize, Error> {
    let mut writer = Writer::start(to, Uuid::now_v7(), Utc::now()).map_err(|e| stuck(&e))?;
    if ids.is_empty() {
        let mut after = None;
        while let Some((entities, last)) = page(session, after).await? {
            for id in entities {
                writer = add(writer, manifest(session, &id).await?).await?;
            }
            after = Some(last);
        }
    }
    for id in ids {
        writer = add(writer, manifest(session, id).await?).await?;
    }
    let finished = off_the_runtime(move || writer.finish().map_err(|e| stuck(&e))).await?;
    Ok(finished.1)
}

async fn add(mut writer: Writer<Target>, manifest: Manifest) -> Result<Writer<Target>, Error> {
    off_the_runtime(move || {
        writer.add(&manifest).map_err(|error| stuck(&error))?;
        Ok(writer)
    })
    .await
}

/// Entities of the next uploads, newest first, and the last of those; `None` after the last.
async fn page(
    session: &Session,
    after: Option<String>,
) -> Result<Option<(Vec<String>, String)>, Error> {
    let filter = Filter {
        statuses: vec![UploadStatus::Imported],
        after,
        limit: PAGE,
        ..Filter::default()
    };
    let uploads = session.ferry.records.list(LOCAL_OWNER, &filter).await?;
    let Some(last) = uploads.last().map(|upload| upload.id.clone()) else {
        return Ok(None);
    };
    let entities = uploads.into_iter().filter_map(|upload| upload.entity_id);
    Ok(Some((entities.collect(), last)))
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn unwritable(target: &Path, error: &io::Error) -> Error {
    let message = format!("{} can't be written: {error}", target.display());
    Error::new(Code::InvalidRequest, message).hint("name a file in a folder that can be written to")
}

fn stuck(error: &io::Error) -> Error {
    let message = format!("the bill of materials can't be written: {error}");
    Error::new(Code::InvalidRequest, message).hint("see whether there is room where it goes")
}

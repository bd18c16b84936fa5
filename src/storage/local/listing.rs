//! What is in the folder: blobs, manifests, uploads on their way.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use super::super::{BlobEntry, StagedUpload};
use super::found;

/// The folders over which blobs are spread.
pub(super) fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = found(fs::read_dir(root))? else {
        return Ok(Vec::new());
    };
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The blobs of one such folder. What has no blob's name is none.
pub(super) fn blobs_in(folder: &Path) -> io::Result<Vec<BlobEntry>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut blobs = Vec::new();
    for entry in entries {
        let entry = entry?;
        let named = entry.file_name();
        let Some(sha256) = named.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Another process may remove it meanwhile.
        let Some(meta) = found(entry.metadata())?.filter(fs::Metadata::is_file) else {
            continue;
        };
        blobs.push(BlobEntry {
            sha256,
            size: meta.len(),
            since: since(&meta),
        });
    }
    Ok(blobs)
}

/// The entities that have a manifest.
pub(super) fn manifests(root: &Path) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for folder in folders(root)? {
        if let Some(id) = folder.file_name().and_then(|name| name.to_str())
            && folder.join("manifest.json").is_file()
        {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}

/// The uploads that have a folder of staged bytes, with the newest of their times.
pub(super) fn staged_uploads(root: &Path) -> io::Result<Vec<StagedUpload>> {
    let mut uploads = Vec::new();
    for folder in folders(root)? {
        let Some(upload) = folder.file_name().map(|name| name.to_string_lossy()) else {
            continue;
        };
        if upload.starts_with('.') {
            continue;
        }
        let Some(meta) = found(fs::metadata(&folder))? else {
            continue;
        };
        let mut touched = since(&meta);
        for file in folders(&folder).unwrap_or_default() {
            if let Some(meta) = found(fs::metadata(&file))? {
                touched = touched.max(since(&meta));
            }
        }
        uploads.push(StagedUpload {
            upload: upload.into_owned(),
            touched,
        });
    }
    Ok(uploads)
}

fn since(meta: &fs::Metadata) -> DateTime<Utc> {
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    modified.into()
}

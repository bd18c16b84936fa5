//! Putting one file where an export wants it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use modelferry_providers::Sha256;
use serde::Serialize;
use sha2::{Digest, Sha256 as Hasher};
use uuid::Uuid;

use crate::entity::make_plain_folders;
use crate::error::{Code, Error};
use crate::storage::Content;

/// Where the bytes are.
pub enum From {
    /// A blob on this machine.
    Blob(PathBuf),
    /// Anywhere else.
    Content(Box<dyn Content>),
}

/// How a file came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was there, as it should be.
    Present,
    /// Shares its bytes until one side is changed.
    Reflink,
    /// Another name for the blob.
    Hardlink,
    /// Bytes of its own.
    Copy,
}

/// A place for one file, and what it must hold.
#[derive(Debug)]
pub struct Target<'a> {
    /// The export's folder.
    pub root: &'a Path,
    /// The place below it.
    pub path: &'a Path,
    /// The content.
    pub sha256: Sha256,
    /// Whether other content there makes room.
    pub replace: bool,
}

/// Puts a file into its place, held against its hash first. The name appears
/// only then. Blocks.
///
/// # Errors
/// [`Code::HashMismatch`] when the stored bytes are not what they were,
/// [`Code::InvalidRequest`] when other content is there, and
/// [`Code::StorageError`] or [`Code::StorageFull`] otherwise.
pub fn place(from: From, target: &Target<'_>) -> Result<How, Error> {
    let place = target.root.join(target.path);
    let failed = |error: io::Error| unwritable(&place, &error);
    match holds(&place, target.sha256).map_err(failed)? {
        Some(true) => return Ok(How::Present),
        Some(false) if !target.replace => return Err(occupied(&place)),
        _ => {}
    }
    let folder = place.parent().unwrap_or(target.root);
    fs::create_dir_all(target.root)
        .and_then(|()| make_plain_folders(target.root, folder))
        .map_err(failed)?;
    let fresh = folder.join(format!(".{}.partial", Uuid::now_v7().simple()));
    let filled = fill(from, &fresh);
    let placed = filled.map_err(failed).and_then(|(how, found)| {
        if found != target.sha256 {
            return Err(damaged(target.sha256, found));
        }
        fs::rename(&fresh, &place).map_err(failed)?;
        Ok(how)
    });
    if placed.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    placed
}

/// Makes a symbolic link, in place of another link that may be there.
///
/// # Errors
/// As [`place`].
pub fn link(root: &Path, path: &Path, to: &Path) -> Result<(), Error> {
    let place = root.join(path);
    let make = || {
        let folder = place.parent().unwrap_or(root);
        make_plain_folders(root, folder)?;
        let fresh = folder.join(format!(".{}.partial", Uuid::now_v7().simple()));
        std::os::unix::fs::symlink(to, &fresh)?;
        fs::rename(&fresh, &place)
    };
    make().map_err(|error| unwritable(&place, &error))
}

/// Writes a small text, whole or not at all.
///
/// # Errors
/// As [`place`].
pub fn write(root: &Path, path: &Path, text: &str) -> Result<(), Error> {
    let place = root.join(path);
    let make = || {
        let folder = place.parent().unwrap_or(root);
        make_plain_folders(root, folder)?;
        let fresh = folder.join(format!(".{}.partial", Uuid::now_v7().simple()));
        fs::write(&fresh, text)?;
        fs::rename(&fresh, &place)
    };
    make().map_err(|error| unwritable(&place, &error))
}

/// Whether the file there has this content; `None`: nothing is there.
fn holds(place: &Path, sha256: Sha256) -> io::Result<Option<bool>> {
    match fs::symlink_metadata(place) {
        Ok(meta) if meta.is_file() => Ok(Some(hash(File::open(place)?, io::sink())? == sha256)),
        Ok(_) => Ok(Some(false)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The cheapest way that this pair of places allows.
fn fill(from: From, fresh: &Path) -> io::Result<(How, Sha256)> {
    let blob = match from {
        From::Content(content) => return Ok((How::Copy, copy(content, fresh)?)),
        From::Blob(path) => path,
    };
    let source = File::open(&blob)?;
    let mode = source.metadata()?.mode();
    let target = File::create_new(fresh)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok((How::Reflink, hash(File::open(fresh)?, io::sink())?));
    }
    drop(target);
    fs::remove_file(fresh)?;
    // A link shares the blob: one that could be written to would endanger it.
    if mode & 0o222 == 0 && fs::hard_link(&blob, fresh).is_ok() {
        return Ok((How::Hardlink, hash(source, io::sink())?));
    }
    Ok((How::Copy, copy(source, fresh)?))
}

fn copy(from: impl Read, fresh: &Path) -> io::Result<Sha256> {
    let target = File::create_new(fresh)?;
    let found = hash(from, &target)?;
    target.sync_all()?;
    Ok(found)
}

/// Reads to the end, passing on what is read.
fn hash(mut from: impl Read, mut to: impl Write) -> io::Result<Sha256> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        hasher.update(bytes);
        to.write_all(bytes)?;
    }
    Ok(Sha256::new(hasher.finalize().into()))
}

fn occupied(place: &Path) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("{} is there already, with other content", place.display()),
    )
    .hint("export into another folder, or replace it with --force")
}

fn damaged(expected: Sha256, found: Sha256) -> Error {
    Error::new(
        Code::HashMismatch,
        format!("the stored blob {expected} is damaged: its bytes hash to {found}"),
    )
    .hint("`modelferry verify --repair` fetches it again")
}

fn unwritable(place: &Path, error: &io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::StorageFull,
        _ => Code::StorageError,
    };
    Error::new(
        code,
        format!("can't export to {}: {error}", place.display()),
    )
    .hint("check the folder's owner, mode and free space, or name another with --to")
}

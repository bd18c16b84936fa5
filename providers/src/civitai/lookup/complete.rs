//! One version out of answers that each leave something out.

use super::super::wire::{File, FileMetadata, ModelStub, Version};
use super::Short;

/// A version, with what only the model's own listing of it says.
pub(super) fn completed(mut version: Version, entry: Version) -> Version {
    for file in &mut version.files {
        if let Some(listed) = entry
            .files
            .iter()
            .find(|listed| file.id.is_some() && listed.id == file.id)
        {
            complete_file(file, listed);
        }
    }
    if version.files.is_empty() {
        version.files = entry.files;
    }
    if version.images.is_empty() {
        version.images = entry.images;
    }
    version.nsfw_level = version.nsfw_level.or(entry.nsfw_level);
    version.published_at = version.published_at.or(entry.published_at);
    version.base_model = version.base_model.or(entry.base_model);
    version.description = version.description.or(entry.description);
    version.availability = version.availability.or(entry.availability);
    version.paid_access = version.paid_access.or(entry.paid_access);
    version.early_access_ends_at = version
        .early_access_ends_at
        .or(entry.early_access_ends_at)
        .or(entry.early_access_deadline);
    version.early_access_time_frame = version
        .early_access_time_frame
        .or(entry.early_access_time_frame);
    version
}

fn complete_file(file: &mut File, listed: &File) {
    let FileMetadata {
        format,
        size,
        fp,
        quant_type,
    } = listed.metadata.clone();
    let metadata = &mut file.metadata;
    metadata.format = metadata.format.take().or(format);
    metadata.size = metadata.size.take().or(size);
    metadata.fp = metadata.fp.take().or(fp);
    metadata.quant_type = metadata.quant_type.take().or(quant_type);
    file.primary |= listed.primary;
    file.name = file.name.take().or_else(|| listed.name.clone());
    file.kind = file.kind.take().or_else(|| listed.kind.clone());
    file.size_kb = file.size_kb.or(listed.size_kb);
    file.download_url = file
        .download_url
        .take()
        .or_else(|| listed.download_url.clone());
    if file.hashes.is_empty() {
        file.hashes.clone_from(&listed.hashes);
    }
    complete_scan(file, listed);
}

fn complete_scan(file: &mut File, listed: &File) {
    let fill = |into: &mut Option<String>, from: &Option<String>| {
        if into.is_none() {
            into.clone_from(from);
        }
    };
    fill(&mut file.pickle_scan_result, &listed.pickle_scan_result);
    fill(&mut file.pickle_scan_message, &listed.pickle_scan_message);
    fill(&mut file.virus_scan_result, &listed.virus_scan_result);
    fill(&mut file.virus_scan_message, &listed.virus_scan_message);
}

/// What the metadata drops, the file's download URL may still tell: it is made
/// of the same keys, and where `quantType` is dropped it alone has it.
pub(super) fn complete_from_url(file: &mut File) {
    let query = file
        .download_url
        .as_deref()
        .and_then(|url| url.split_once('?'))
        .map(|(_, query)| query.to_owned());
    let Some(query) = query else {
        return;
    };
    let said = |key: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, value)| name == key && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    };
    let metadata = &mut file.metadata;
    file.kind = file.kind.take().or_else(|| said("type"));
    metadata.format = metadata.format.take().or_else(|| said("format"));
    metadata.size = metadata.size.take().or_else(|| said("size"));
    metadata.fp = metadata.fp.take().or_else(|| said("fp"));
    metadata.quant_type = metadata.quant_type.take().or_else(|| said("quantType"));
}

/// A version of one file. Its id is the one asked for: the short form itself says none.
pub(super) fn from_short(Short { mini, file }: Short) -> Version {
    let file = File {
        id: file,
        name: mini.file_name,
        size_kb: mini.size,
        kind: mini.file_type,
        metadata: FileMetadata {
            format: mini.format,
            ..FileMetadata::default()
        },
        hashes: mini.hashes,
        download_url: mini.download_urls.into_iter().next(),
        primary: true,
        ..File::default()
    };
    Version {
        name: mini.version_name,
        base_model: mini.base_model,
        availability: mini.availability,
        published_at: mini.published_at,
        early_access_ends_at: mini.early_access_ends_at,
        air: mini.air,
        model: ModelStub {
            name: mini.model_name,
            ..ModelStub::default()
        },
        files: vec![file],
        ..Version::default()
    }
}

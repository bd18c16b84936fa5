//! Pictures, recordings, videos and scenes: whether their headers hold together.
//!
//! Only what every reader needs is demanded, because real files are sloppy: sizes of streamed
//! recordings, bytes after the end of a picture. Pixels and samples are not decoded.

use super::{
    finding::{Finding, Format, InspectError, malformed},
    source::{Cursor, Source},
};

mod boxes;
mod picture;
mod scene;
mod sound;
#[cfg(test)]
mod tests;

/// Most chunks, boxes or segments of a file that are walked; what follows is taken as it is.
const MAX_PARTS: usize = 100_000;

/// Reads the header of a file of a media format; others pass as they are.
pub(super) fn read(format: Format, source: &mut Source<'_>) -> Result<Finding, InspectError> {
    let mut finding = Finding::new(format);
    let size = match format {
        Format::Png => Some(picture::png(source)?),
        Format::Jpeg => Some(picture::jpeg(source)?),
        Format::Gif => Some(picture::gif(source)?),
        Format::WebP => Some(picture::webp(source)?),
        Format::Bmp => Some(picture::bmp(source)?),
        _ => None,
    };
    match format {
        Format::Tiff => picture::tiff(source)?,
        Format::Mp4 | Format::Mov | Format::M4a | Format::Avif => boxes::read(source)?,
        Format::Wav => sound::wav(source)?,
        Format::Flac => sound::flac(source)?,
        Format::Ogg => sound::ogg(source)?,
        Format::Glb => scene::glb(source)?,
        _ => {}
    }
    if let Some((width, height)) = size {
        finding.facts.width = Some(width);
        finding.facts.height = Some(height);
    }
    Ok(finding)
}

/// A width and a height in pixels, neither of them zero.
fn pixels(format: &str, at: u64, (width, height): (u64, u64)) -> Result<(u64, u64), InspectError> {
    if width == 0 || height == 0 {
        return Err(malformed(format!(
            "the {format} picture is {width} by {height} pixels (byte {at})"
        )));
    }
    Ok((width, height))
}

fn cursor<'s, 'a>(source: &'s mut Source<'a>, start: u64, format: &'static str) -> Cursor<'s, 'a> {
    Cursor::new(source, start, format)
}

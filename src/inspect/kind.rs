//! The kind of an upload, and whether its files are of that kind.

use std::{fmt, str::FromStr};

use super::finding::{Finding, Format, Nature, Refusal, RefusalReason, shown};

#[cfg(test)]
mod tests;

/// The kinds an upload may have, by the names the Uploads API gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `3d`: a mesh or scene.
    #[serde(rename = "3d")]
    ThreeD,
    /// `asset`: any harmless file.
    Asset,
    /// `audio`.
    Audio,
    /// `avatar`: a picture or 3D model of somebody.
    Avatar,
    /// `image`.
    Image,
    /// `model`: at least one file of weights.
    Model,
    /// `text`.
    Text,
    /// `video`.
    Video,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ThreeD,
        Self::Asset,
        Self::Audio,
        Self::Avatar,
        Self::Image,
        Self::Model,
        Self::Text,
        Self::Video,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThreeD => "3d",
            Self::Asset => "asset",
            Self::Audio => "audio",
            Self::Avatar => "avatar",
            Self::Image => "image",
            Self::Model => "model",
            Self::Text => "text",
            Self::Video => "video",
        }
    }

    fn wants(self) -> &'static str {
        match self {
            Self::ThreeD => "a 3D model",
            Self::Asset => "any file",
            Self::Audio => "a recording",
            Self::Avatar => "an image or a 3D model",
            Self::Image => "an image",
            Self::Model => "a file of weights",
            Self::Text => "text",
            Self::Video => "a video",
        }
    }

    fn is_met_by(self, nature: Nature) -> bool {
        match self {
            Self::ThreeD => nature == Nature::ThreeD,
            Self::Asset => true,
            Self::Audio => nature == Nature::Audio,
            Self::Avatar => matches!(nature, Nature::Image | Nature::ThreeD),
            Self::Image => nature == Nature::Image,
            Self::Model => matches!(nature, Nature::Weights | Nature::Arrays),
            Self::Text => nature == Nature::Text,
            Self::Video => nature == Nature::Video,
        }
    }

    /// Whether a file of this nature may lie beside the ones that make the kind.
    fn tolerates(self, finding: &Finding) -> bool {
        match self {
            Self::Asset | Self::Model => true,
            // A scene comes with its textures, licence, and buffers named `.bin`.
            Self::ThreeD | Self::Avatar => {
                finding.nature != Nature::Weights || finding.format == Format::UnknownWeights
            }
            _ => finding.nature == Nature::Text,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind's name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no such kind; the kinds are 3d, asset, audio, avatar, image, model, text and video"
)]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(UnknownKind)
    }
}

/// Settles the kind of an upload from the kind that was asked for and what its files are.
///
/// `files` are all files of the upload with their paths. With a requested kind the answer is that
/// kind; without one it is what the content tells, or `None` where it does not tell.
///
/// # Errors
/// A [`RefusalReason::KindMismatch`] where the files are not of the requested kind, or
/// [`RefusalReason::HtmlInsteadOfFile`] where a web page came in their place.
pub fn settle<'f>(
    requested: Option<Kind>,
    files: impl IntoIterator<Item = (&'f str, &'f Finding)>,
) -> Result<Option<Kind>, Refusal> {
    let files: Vec<_> = files.into_iter().collect();
    match requested {
        Some(kind) => check(kind, &files).map(|()| Some(kind)),
        None => Ok(tell(&files)),
    }
}

fn check(kind: Kind, files: &[(&str, &Finding)]) -> Result<(), Refusal> {
    if kind == Kind::Asset {
        return Ok(());
    }
    if !files
        .iter()
        .any(|(_, finding)| kind.is_met_by(finding.nature))
    {
        return Err(nothing_of(kind, files));
    }
    match files
        .iter()
        .find_map(|(path, finding)| clash(kind, path, finding))
    {
        None => Ok(()),
        Some(refusal) => Err(refusal.with_hint(kind_hint(files))),
    }
}

/// The refusal of a file that may not be among those of an upload of this kind, whatever the
/// others are.
#[must_use]
pub fn clash(kind: Kind, path: &str, finding: &Finding) -> Option<Refusal> {
    if kind.is_met_by(finding.nature) || kind.tolerates(finding) {
        return None;
    }
    let files = [(path, finding)];
    let found = tell(&files).map_or_else(String::new, |found| format!(", of kind `{found}`"));
    let message = format!(
        "kind `{kind}` was asked for, but `{}` is {}{found}",
        shown(path, 120),
        finding.format.label()
    );
    Some(Refusal::new(RefusalReason::KindMismatch, message).with_hint(kind_hint(&files)))
}

fn nothing_of(kind: Kind, files: &[(&str, &Finding)]) -> Refusal {
    let page = files
        .iter()
        .find(|(_, finding)| finding.format == Format::Html);
    let others = files
        .iter()
        .any(|(_, finding)| !matches!(finding.nature, Nature::Text));
    if let (Some((path, page)), false, true) = (page, others, kind != Kind::Text) {
        return web_page(path, page.title.as_deref(), kind.wants());
    }
    let mut seen: Vec<String> = files
        .iter()
        .take(3)
        .map(|(path, finding)| format!("`{}` is {}", shown(path, 120), finding.format.label()))
        .collect();
    if files.len() > 3 {
        seen.push(format!("and {} more", files.len() - 3));
    }
    let seen = if seen.is_empty() {
        "there are no files".to_owned()
    } else {
        seen.join(", ")
    };
    let found =
        tell(files).map_or_else(String::new, |found| format!(", which is of kind `{found}`"));
    let message = format!(
        "kind `{kind}` was asked for, but there is not {} among the files: {seen}{found}",
        kind.wants()
    );
    Refusal::new(RefusalReason::KindMismatch, message).with_hint(kind_hint(files))
}

fn kind_hint(files: &[(&str, &Finding)]) -> String {
    match tell(files) {
        Some(kind) => {
            format!("ask for kind `{kind}`, or for `asset`, which takes any harmless file")
        }
        None => {
            "ask for kind `asset`, which takes any harmless file, or select other files".to_owned()
        }
    }
}

/// The refusal of a web page that came where something else was meant.
pub(super) fn web_page(path: &str, title: Option<&str>, wanted: &str) -> Refusal {
    let titled = title.map_or_else(String::new, |title| {
        format!(" titled \"{}\"", shown(title, 120))
    });
    let message = format!(
        "`{}` is an HTML page{titled}, where {wanted} was expected",
        shown(path, 120)
    );
    Refusal::new(RefusalReason::HtmlInsteadOfFile, message).with_hint(
        "the server sent a web page, often a login, terms or error page: open the address in a browser, and give the address of the file itself or a token that may read it",
    )
}

fn tell(files: &[(&str, &Finding)]) -> Option<Kind> {
    let scene = files
        .iter()
        .any(|(_, finding)| finding.nature == Nature::ThreeD);
    let weights = |finding: &Finding| {
        finding.nature == Nature::Weights && !(scene && finding.format == Format::UnknownWeights)
    };
    if files.iter().any(|(_, finding)| weights(finding)) {
        return Some(Kind::Model);
    }
    if scene {
        return Some(Kind::ThreeD);
    }
    if files
        .iter()
        .any(|(_, finding)| finding.format == Format::Html)
    {
        return None;
    }
    let mut kinds = files
        .iter()
        .filter(|(_, finding)| finding.nature != Nature::Text)
        .map(|(_, finding)| of(finding.nature));
    match kinds.next() {
        None if files.is_empty() => None,
        None => Some(Kind::Text),
        Some(first) => kinds.all(|kind| kind == first).then_some(first).flatten(),
    }
}

fn of(nature: Nature) -> Option<Kind> {
    match nature {
        Nature::Weights => Some(Kind::Model),
        Nature::Image => Some(Kind::Image),
        Nature::Video => Some(Kind::Video),
        Nature::Audio => Some(Kind::Audio),
        Nature::ThreeD => Some(Kind::ThreeD),
        Nature::Text => Some(Kind::Text),
        Nature::Arrays | Nature::Archive | Nature::Data => None,
    }
}

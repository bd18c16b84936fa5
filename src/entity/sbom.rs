//! A bill of materials: which models are here, from where, under which licence.
//!
//! CycloneDX 1.6 as JSON (<https://cyclonedx.org/docs/1.6/json/>): a component
//! an entity, its files within. It is written component by component, however
//! many there are.

mod license;

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use modelferry_providers::ProviderKind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use self::license::LicenseChoice;
use super::{Manifest, ManifestFile};
use crate::upload::Kind;

/// What stands unescaped in a part of a package URL (purl specification, "Characters").
const PURL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Writes one document, of as many entities as there are.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    written: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
}

#[derive(Serialize)]
struct Tools {
    components: [Tool; 1],
}

#[derive(Serialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<LicenseChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_card: Option<ModelCard>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Component>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelCard {
    model_parameters: ModelParameters,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelParameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_architecture: Option<String>,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

impl<W: Write> Writer<W> {
    /// Begins a document. `serial` tells it from others; `at` is when it is made.
    ///
    /// # Errors
    /// What the target says.
    pub fn start(mut to: W, serial: uuid::Uuid, at: DateTime<Utc>) -> io::Result<Self> {
        let head = Head {
            schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
            bom_format: "CycloneDX",
            spec_version: "1.6",
            serial_number: serial.urn().to_string(),
            version: 1,
            metadata: Metadata {
                timestamp: at.to_rfc3339_opts(SecondsFormat::Secs, true),
                tools: Tools {
                    components: [Tool {
                        kind: "application",
                        name: "modelferry",
                        version: crate::VERSION,
                    }],
                },
            },
        };
        let mut text = serde_json::to_string(&head)?;
        // The list of components goes on where the head would have ended.
        text.truncate(text.len() - 1);
        write!(to, "{text},\"components\":[")?;
        Ok(Self { to, written: 0 })
    }

    /// Adds one entity.
    ///
    /// # Errors
    /// What the target says.
    pub fn add(&mut self, manifest: &Manifest) -> io::Result<()> {
        let separator = if self.written == 0 { "\n" } else { ",\n" };
        self.written += 1;
        self.to.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut self.to, &entity(manifest)).map_err(io::Error::from)
    }

    /// Ends the document. Returns what it was written to, and how many entities it names.
    ///
    /// # Errors
    /// What the target says.
    pub fn finish(mut self) -> io::Result<(W, usize)> {
        self.to.write_all(b"\n]}\n")?;
        self.to.flush()?;
        Ok((self.to, self.written))
    }
}

fn entity(manifest: &Manifest) -> Component {
    let source = &manifest.source;
    let purl = purl(manifest);
    let (group, name) = match manifest.name.split_once('/') {
        Some((group, name)) if source.provider == ProviderKind::HuggingFace => {
            (Some(group.to_owned()), name.to_owned())
        }
        _ => (creator(manifest), manifest.name.clone()),
    };
    let page = Reference {
        kind: "website",
        url: source.url.clone(),
    };
    let files = manifest.files.iter().map(|held| file(manifest, held));
    Component {
        kind: kind(manifest.kind),
        bom_ref: manifest.id.clone(),
        group,
        name,
        version: Some(source.revision.clone()),
        hashes: Vec::new(),
        licenses: license::of(manifest),
        purl,
        external_references: vec![page],
        model_card: model_card(manifest),
        properties: vec![
            property("modelferry:source", &source.reference),
            property("modelferry:provider", source.provider.as_str()),
            property("modelferry:importedAt", &manifest.imported_at),
            property("modelferry:toolVersion", &manifest.tool_version),
        ],
        components: files.collect(),
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Model => "machine-learning-model",
        _ => "data",
    }
}

fn file(manifest: &Manifest, file: &ManifestFile) -> Component {
    let mut properties = vec![property("modelferry:size", &file.size.to_string())];
    if let Some(verification) = file.verification {
        properties.push(property("modelferry:verification", verification.as_str()));
    }
    if let Some(provenance) = &file.provenance {
        properties.push(property("modelferry:source", &provenance.source));
        for stated in &provenance.stated {
            let (by, algorithm) = (stated.by.as_str(), &stated.algorithm);
            let value = format!("{algorithm} {} ({by})", stated.value);
            properties.push(property("modelferry:statedHash", &value));
        }
    }
    Component {
        kind: "file",
        bom_ref: format!("{}/{}", manifest.id, file.path),
        group: None,
        name: file.path.clone(),
        version: None,
        hashes: vec![Hash {
            alg: "SHA-256",
            content: file.sha256.to_string(),
        }],
        licenses: Vec::new(),
        purl: None,
        external_references: distribution(manifest, file).into_iter().collect(),
        model_card: None,
        properties,
        components: Vec::new(),
    }
}

/// Where a file can be had, without a signature.
fn distribution(manifest: &Manifest, file: &ManifestFile) -> Option<Reference> {
    let source = &manifest.source;
    let url = match source.provider {
        // The page stands at `…/tree/{commit}` or `…/blob/{commit}`, the file at `…/resolve/{commit}`.
        ProviderKind::HuggingFace => {
            let pinned = |route: &str| source.url.find(&format!("/{route}/{}", source.revision));
            let repo = &source.url[..pinned("tree").or_else(|| pinned("blob"))?];
            let path: Vec<String> = file.path.split('/').map(escaped).collect();
            format!("{repo}/resolve/{}/{}", source.revision, path.join("/"))
        }
        ProviderKind::Civitai => manifest.card.as_ref()?["downloadUrl"].as_str()?.to_owned(),
        ProviderKind::Other => source.url.clone(),
    };
    Some(Reference {
        kind: "distribution",
        url,
    })
}

/// `pkg:huggingface/org/name@commit` for a model of that hub; what any URL
/// serves is `generic` (purl specification, "Known types"). The other hubs'
/// models and the datasets have no type of their own.
fn purl(manifest: &Manifest) -> Option<String> {
    let source = &manifest.source;
    match source.provider {
        ProviderKind::HuggingFace if !is_data(&source.reference) => {
            let id: Vec<String> = manifest.name.split('/').map(escaped).collect();
            let mut purl = format!("pkg:huggingface/{}@{}", id.join("/"), source.revision);
            let url = url::Url::parse(&source.url).ok()?;
            if url.host_str() != Some("huggingface.co") {
                let endpoint = url.origin().ascii_serialization();
                purl.push_str(&format!("?repository_url={}", escaped(&endpoint)));
            }
            Some(purl)
        }
        ProviderKind::Other => {
            let [file] = manifest.files.as_slice() else {
                return None;
            };
            Some(format!(
                "pkg:generic/{}@{}?checksum=sha256:{}&download_url={}",
                escaped(&manifest.name),
                escaped(&source.revision),
                file.sha256,
                escaped(&source.url)
            ))
        }
        ProviderKind::HuggingFace | ProviderKind::Civitai => None,
    }
}

fn is_data(reference: &str) -> bool {
    let prefixes = ["hf://datasets/", "hf://spaces/"];
    prefixes.iter().any(|prefix| reference.starts_with(prefix))
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PURL).to_string()
}

fn creator(manifest: &Manifest) -> Option<String> {
    let creator = manifest.card.as_ref()?.get("creator")?.as_str()?;
    Some(creator.to_owned())
}

fn model_card(manifest: &Manifest) -> Option<ModelCard> {
    let card = manifest.card.as_ref();
    let task = card
        .and_then(|card| card.get("pipeline_tag"))
        .and_then(Value::as_str);
    let parameters = ModelParameters {
        task: task.map(ToOwned::to_owned),
        model_architecture: manifest.facts.architecture.clone(),
    };
    let says_something = parameters.task.is_some() || parameters.model_architecture.is_some();
    (manifest.kind == Kind::Model && says_something).then_some(ModelCard {
        model_parameters: parameters,
    })
}

fn property(name: &'static str, value: &str) -> Property {
    Property {
        name,
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! Under which name a credential is stored, and where it goes.

use std::fmt;

use modelferry_providers::Locator;
use modelferry_providers::Reference;

use super::CredentialName;

/// The longest label.
const LONGEST: usize = 64;

/// Where a credential is stored: under the name of what it is for, or under a
/// label of its owner's choice. One with a label is used by imports that ask
/// for it, and by no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    label: Option<String>,
    target: CredentialName,
}

impl Slot {
    /// Reads a name, and where the credential goes if the name is a label.
    ///
    /// # Errors
    /// What is wrong, and what it should be.
    pub fn read(name: &str, host: Option<&str>) -> Result<Self, String> {
        let Some(host) = host else {
            return Ok(Self::from(name.parse::<CredentialName>()?));
        };
        let target = host
            .parse::<CredentialName>()
            .map_err(|why| format!("host: {why}"))?;
        // A dot or a colon would make it look like a host.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_label = (1..=LONGEST).contains(&name.len()) && name.chars().all(plain);
        let hub = ["huggingface", "civitai"]
            .iter()
            .any(|hub| hub.eq_ignore_ascii_case(name));
        if !is_label || hub {
            return Err(format!(
                "a credential with a host of its own has a label for a name: 1 to {LONGEST} letters, digits, \
                 - and _, and not a hub's name"
            ));
        }
        Ok(Self {
            label: Some(name.to_owned()),
            target,
        })
    }

    /// The name that it is found by.
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(self.target.as_str())
    }

    /// Where it goes.
    pub const fn target(&self) -> &CredentialName {
        &self.target
    }

    /// Whether only imports that ask for it use it.
    pub const fn is_labelled(&self) -> bool {
        self.label.is_some()
    }

    /// Whether it goes where this source is.
    pub fn fits(&self, reference: &Reference) -> bool {
        match (&self.target, &reference.locator) {
            (CredentialName::HuggingFace, Locator::HuggingFace(_))
            | (CredentialName::Civitai, Locator::Civitai(_)) => true,
            (CredentialName::Host(host), Locator::Other { url }) => *host == url.authority(),
            _ => false,
        }
    }

    /// What the secret is sealed for: a row that was changed to send it
    /// elsewhere opens nothing.
    pub(super) fn purpose(&self) -> String {
        match &self.label {
            None => self.target.to_string(),
            Some(label) => format!("{label}\n{}", self.target),
        }
    }
}

impl From<CredentialName> for Slot {
    fn from(target: CredentialName) -> Self {
        Self {
            label: None,
            target,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

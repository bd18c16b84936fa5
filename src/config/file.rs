//! The config file: TOML with the settings' names.

use std::collections::BTreeMap;
use std::path::Path;

use super::{KEYS, Origin, Value};
use crate::error::{Code, Error};

/// Takes the file's values. A file that was not asked for by name may be missing.
pub(super) fn read(
    path: &Path,
    required: bool,
    values: &mut BTreeMap<&'static str, Value>,
) -> Result<(), Error> {
    let bad = |why: String| {
        Error::new(
            Code::InvalidRequest,
            format!("the config file {} can't be used: {why}", path.display()),
        )
        .hint("it is TOML with the settings' names, such as memory = \"512 MiB\"")
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if !required && is_missing(&error) => return Ok(()),
        Err(error) => return Err(bad(error.to_string())),
    };
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| bad(error.message().to_owned()))?;
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
            return Err(bad(format!(
                "it has no setting `{}`; the settings are {}",
                name.escape_debug(),
                known.join(", ")
            )));
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Array(items) => items
                .iter()
                .filter_map(toml::Value::as_str)
                .collect::<Vec<_>>()
                .join(","),
            _ => return Err(bad(format!("{name} is neither text nor a number"))),
        };
        values.insert(
            key.name,
            Value {
                text,
                origin: Origin::File(path.to_owned()),
            },
        );
    }
    Ok(())
}

/// Nothing is there. A home that can't be one is told by whoever opens it.
fn is_missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

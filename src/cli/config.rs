//! `config show`

use super::Exit;
use super::output::Output;
use crate::config::Config;

pub(super) fn show(output: &Output, config: &Config) -> Exit {
    let width = config
        .shown
        .iter()
        .map(|shown| shown.key.len())
        .max()
        .unwrap_or_default();
    for shown in &config.shown {
        if output.json {
            output.json_line(shown);
        } else {
            let value = shown.value.as_deref().unwrap_or("(not set)");
            output.line(&format!(
                "{:width$}  {value}  ({})",
                shown.key, shown.origin
            ));
        }
    }
    Exit::Done
}

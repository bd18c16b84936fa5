//! From what a walk saw to a verdict.

use super::{
    super::finding::{Finding, InspectError, WarningKind, malformed, unsafe_pickle},
    AllowList, PicklePolicy,
    report::{End, Report},
};

/// The rules in force for one file.
#[derive(Clone, Copy)]
pub(in super::super) struct Gate<'g> {
    pub(in super::super) policy: PicklePolicy,
    pub(in super::super) extra: &'g AllowList,
    /// Whether this is a file inside an archive, where no further archive is opened.
    pub(in super::super) inside: bool,
}

const USE_SAFETENSORS: &str =
    "look for the same weights as safetensors or GGUF, which hold no programs";

impl Gate<'_> {
    /// Refuses where no pickle is taken at all. `what` names it: "it is a Python pickle".
    pub(in super::super) fn admit(self, what: &str) -> Result<(), InspectError> {
        match self.policy {
            PicklePolicy::Refuse => Err(unsafe_pickle(
                format!("{what}, and pickles are refused here"),
                USE_SAFETENSORS,
            )),
            PicklePolicy::Scan | PicklePolicy::Allow => Ok(()),
        }
    }

    /// Judges a walk. `what` is the subject of the message: "the pickle", "the entry `a/data.pkl`".
    pub(in super::super) fn judge(
        self,
        what: &str,
        report: &Report,
        finding: &mut Finding,
    ) -> Result<(), InspectError> {
        let lenient = self.policy == PicklePolicy::Allow;
        if let Some(first) = report.violations.first() {
            if !lenient {
                return Err(unsafe_pickle(
                    format!("{what} is not safe to load: {}", first.text),
                    hint(report),
                ));
            }
            finding.warn(
                WarningKind::Pickle,
                format!(
                    "{what} is not safe to load, and was let through: {}",
                    violations(report)
                ),
            );
            return Ok(());
        }
        match &report.end {
            End::Stopped => {}
            End::Cut => return Err(malformed(format!("{what} is cut: it has no end"))),
            End::Broken(why) => return Err(malformed(format!("{what} is damaged: {why}"))),
            End::TooMuch(why) if lenient => {
                finding.warn(
                    WarningKind::NotChecked,
                    format!("{what} could not be checked, and was let through: {why}"),
                );
            }
            End::TooMuch(why) => {
                return Err(unsafe_pickle(
                    format!("{what} can't be checked: {why}"),
                    USE_SAFETENSORS,
                ));
            }
        }
        if let Some(fault) = &report.geometry {
            return Err(malformed(format!("{what} is damaged: {fault}")));
        }
        if lenient && !report.named.is_empty() {
            let names: Vec<&str> = report.named.iter().map(String::as_str).collect();
            finding.warn(
                WarningKind::Pickle,
                format!("{what} names {}", names.join(", ")),
            );
        }
        Ok(())
    }

    /// Refuses something that can't be looked into, or warns of it where anything is let through.
    pub(in super::super) fn refuse_hidden(
        self,
        message: String,
        finding: &mut Finding,
    ) -> Result<(), InspectError> {
        if self.policy == PicklePolicy::Allow {
            finding.warn(WarningKind::NotChecked, message);
            return Ok(());
        }
        Err(unsafe_pickle(
            message,
            "unpack it, check what is inside, and publish that; or look for safetensors",
        ))
    }
}

/// The lines an operator could add, if that would let the pickle through.
fn hint(report: &Report) -> String {
    let lines: Option<Vec<String>> = report
        .violations
        .iter()
        .map(|violation| {
            violation
                .reference
                .as_ref()?
                .allow_line
                .as_ref()
                .map(|line| format!("`{line}`"))
        })
        .collect();
    match lines {
        Some(lines) => format!(
            "{USE_SAFETENSORS}; if you trust this source and know what these do, the operator's pickle allow-list can be given the line{} {}",
            if lines.len() == 1 { "" } else { "s" },
            lines.join(", ")
        ),
        None => USE_SAFETENSORS.to_owned(),
    }
}

fn violations(report: &Report) -> String {
    report
        .violations
        .iter()
        .map(|violation| violation.text.as_str())
        .collect::<Vec<_>>()
        .join("; ")
}

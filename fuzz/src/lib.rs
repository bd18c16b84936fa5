//! What every target checks.

/// Looks at bytes, and gives the message of a refusal. A file in memory can't fail to be read.
///
/// # Panics
/// Where reading fails, or a refusal says nothing.
pub fn judged(path: &str, data: &[u8]) -> Result<(), String> {
    use modelferry_gate::inspect::InspectError;
    match modelferry_gate::look(path, data) {
        Ok(finding) => {
            assert!(finding.warnings.len() < 1000);
            Ok(())
        }
        Err(InspectError::Refused(refusal)) => {
            assert!(!refusal.message.is_empty() && refusal.message.len() < 20_000);
            Err(refusal.message)
        }
        Err(InspectError::Io(error)) => panic!("{path}: {error}"),
    }
}

//! The corpus of files to refuse: every one is, by its rule.

use modelferry_fixtures::corpus::{Case, malformed, unsafe_pickles};

use super::{look, refusal};
use crate::inspect::{Format, InspectError};

fn faults(cases: &[Case]) -> Vec<String> {
    let judged = |case: &Case| {
        let (code, message) = refusal(&case.path, &case.bytes);
        let fits = code == case.code && message.contains(&case.says);
        (!fits).then(|| {
            format!(
                "{}: {code}: {message} (should be {} with `{}`)",
                case.name, case.code, case.says
            )
        })
    };
    cases.iter().filter_map(judged).collect()
}

#[test]
fn every_unsafe_pickle_is_refused_by_its_rule() {
    let cases = unsafe_pickles();
    assert!(cases.len() >= 40);
    assert_eq!(faults(&cases), Vec::<String>::new());
}

#[test]
fn nobody_is_told_to_allow_what_runs_code() {
    for case in unsafe_pickles() {
        let Err(InspectError::Refused(refusal)) = look(&case.path, &case.bytes) else {
            panic!("{} is refused", case.name);
        };
        let hint = refusal.hint.unwrap_or_default();
        let harmless = [
            "torch.nn.modules.container Sequential",
            "__main__ Model",
            "numpy size",
        ];
        let told = hint.contains("allow-list") && !harmless.iter().any(|line| hint.contains(line));
        assert!(!told, "{}: {hint}", case.name);
    }
}

#[test]
fn every_malformed_file_is_refused_by_its_rule() {
    let cases = malformed();
    assert!(cases.len() >= 40);
    assert_eq!(faults(&cases), Vec::<String>::new());
}

#[test]
fn each_case_has_its_own_name() {
    let mut names = std::collections::HashSet::new();
    for case in unsafe_pickles().into_iter().chain(malformed()) {
        assert!(names.insert(case.name.clone()), "{}", case.name);
    }
}

/// The format that a good file's extension stands for.
fn promised(extension: &str) -> &'static [Format] {
    match extension {
        "safetensors" => &[Format::Safetensors],
        "gguf" => &[Format::Gguf],
        "npy" => &[Format::Npy],
        "npz" => &[Format::Npz],
        "pkl" | "pickle" => &[Format::Pickle],
        "bin" | "pt" | "ckpt" => &[Format::TorchZip],
        "pth" | "tar" => &[Format::TorchZip, Format::TorchLegacy, Format::Tar],
        "onnx" => &[Format::Onnx],
        "png" => &[Format::Png],
        "jpg" | "jpeg" => &[Format::Jpeg],
        "gif" => &[Format::Gif],
        "webp" => &[Format::WebP],
        "bmp" => &[Format::Bmp],
        "tif" | "tiff" => &[Format::Tiff],
        "avif" => &[Format::Avif],
        "wav" => &[Format::Wav],
        "zip" => &[Format::Zip],
        "gz" => &[Format::Gzip],
        "json" => &[Format::Json],
        "md" => &[Format::Text],
        "onnx_data" => &[Format::UnknownWeights],
        other => panic!("what is a good .{other}?"),
    }
}

#[test]
fn no_file_that_a_real_library_wrote_is_refused() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/good");
    let mut faults = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let extension = name.rsplit('.').next().unwrap();
        match look(&name, &std::fs::read(&path).unwrap()) {
            Ok(finding) if promised(extension).contains(&finding.format) => count += 1,
            Ok(finding) => faults.push(format!("{name} is taken for {:?}", finding.format)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(count >= 70, "{count}");
}

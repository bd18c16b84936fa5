//! Paths for files that the hub names as it likes, and twice the same.

use std::collections::HashSet;

use super::id::CivitaiId;
use super::wire::File;
use crate::artifact::Place;
use crate::path::RelPath;

/// The longest name kept of a model's, so that its id still fits.
const MOST_OF_A_NAME: usize = 180;

/// A path for each file, all distinct also where a file system folds case.
///
/// The file with the lowest id keeps the plain name; each later one says what
/// it is (`-pruned-fp16`, `-Q4_K_M`), or gives its id where that is taken too.
/// All files of the version take part whichever are selected, and the hub's
/// ids only grow, so a path stays what it is when files are added.
pub(super) fn paths(files: &[File], version: CivitaiId) -> Vec<RelPath> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|&nth| (files[nth].id.is_none(), files[nth].id, nth));
    let mut taken = HashSet::new();
    let mut paths: Vec<Option<RelPath>> = vec![None; files.len()];
    for nth in order {
        let path = free_path(&files[nth], nth, version, &taken);
        taken.insert(path.fold_key());
        paths[nth] = Some(path);
    }
    paths.into_iter().flatten().collect()
}

fn free_path(file: &File, nth: usize, version: CivitaiId, taken: &HashSet<String>) -> RelPath {
    let unique = file
        .id
        .map_or_else(|| format!("n{nth}"), |id| id.to_string());
    let plain = file.name.as_deref().and_then(RelPath::sanitised_name);
    let plain = plain.unwrap_or_else(|| unnamed(version, &unique, file));
    let told_apart = traits(file);
    let suffixes = [String::new(), told_apart.clone(), format!("-{unique}")];
    let tries = suffixes
        .iter()
        .filter_map(|suffix| suffixed(&plain, suffix));
    let free = tries
        .into_iter()
        .find(|path| !taken.contains(&path.fold_key()));
    free.unwrap_or_else(|| unnamed(version, &unique, file))
}

/// `-pruned-fp16`, `-full-Q4_K_M`: what the hub says the file is.
fn traits(file: &File) -> String {
    let metadata = &file.metadata;
    let parts = [&metadata.size, &metadata.fp, &metadata.quant_type];
    let plain = |text: &String| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
            .take(32)
            .collect()
    };
    let parts = parts
        .into_iter()
        .flatten()
        .map(plain)
        .filter(|part| !part.is_empty());
    parts.map(|part| format!("-{part}")).collect()
}

fn suffixed(path: &RelPath, suffix: &str) -> Option<RelPath> {
    if suffix.is_empty() {
        return Some(path.clone());
    }
    path.with_suffix(suffix).ok().or_else(|| {
        let short = shortened(path.as_str(), MOST_OF_A_NAME);
        RelPath::parse(&short).ok()?.with_suffix(suffix).ok()
    })
}

/// `civitai-128713-93208.safetensors`.
fn unnamed(version: CivitaiId, unique: &str, file: &File) -> RelPath {
    let ending = match file.metadata.format.as_deref() {
        Some("SafeTensor") => "safetensors",
        Some("PickleTensor") => "ckpt",
        Some("GGUF") => "gguf",
        Some("ONNX") => "onnx",
        _ => "bin",
    };
    sure(&format!("civitai-{version}-{unique}.{ending}"))
}

/// `{creator}/{model name}-{model id}/{version id}`: renames do not collide.
pub(super) fn place(
    creator: Option<&str>,
    model: Option<&str>,
    model_id: Option<CivitaiId>,
    version: CivitaiId,
) -> Place {
    let owner = creator
        .and_then(one_name)
        .unwrap_or_else(|| sure("civitai"));
    let id = model_id.map_or_else(|| format!("version-{version}"), |id| id.to_string());
    let model = model.map(|name| shortened(&name.replace(['/', '\\'], "_"), MOST_OF_A_NAME));
    let named = model.and_then(|name| one_name(&format!("{}-{id}", name.trim())));
    Place {
        owner,
        name: named.unwrap_or_else(|| sure(&format!("model-{id}"))),
        revision: sure(&version.to_string()),
    }
}

fn one_name(text: &str) -> Option<RelPath> {
    RelPath::sanitised_name(&text.replace(['/', '\\'], "_"))
}

/// At most so many bytes of a text, the ending of a file name kept.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let ending = match text.rsplit_once('.') {
        Some((_, ending)) if ending.len() <= 16 => format!(".{ending}"),
        _ => String::new(),
    };
    let mut keep = most - ending.len();
    while !text.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}{ending}", &text[..keep])
}

/// A name made of letters, digits and dashes alone is always one.
fn sure(text: &str) -> RelPath {
    RelPath::parse(text).unwrap_or_else(|_| unreachable!("{text} is a plain name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn named(files: Value) -> Vec<String> {
        let files: Vec<File> = serde_json::from_value(files).unwrap();
        paths(&files, CivitaiId::new(7).unwrap())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn files_of_one_name_get_distinct_paths_by_what_they_are() {
        let paths = named(json!([
            {"id": 20, "name": "moon.safetensors", "metadata": {"size": "full", "fp": "fp32"}},
            {"id": 10, "name": "moon.safetensors", "metadata": {"size": "pruned", "fp": "fp16"}},
            {"id": 30, "name": "Moon.safetensors", "metadata": {"size": "full", "fp": "fp32"}},
            {"id": 40, "name": "moon.gguf", "metadata": {"quantType": "Q4_K_M"}},
            {"id": 41, "name": "moon.gguf", "metadata": {"quantType": "Q8_0"}},
            {"id": 50, "name": "moon.safetensors"},
        ]));
        assert_eq!(
            paths,
            [
                "moon-full-fp32.safetensors",
                "moon.safetensors",
                "Moon-30.safetensors",
                "moon.gguf",
                "moon-Q8_0.gguf",
                "moon-50.safetensors",
            ]
        );
    }

    #[test]
    fn a_file_added_later_renames_none_of_the_others() {
        let two = json!([
            {"id": 10, "name": "a.ckpt", "metadata": {"fp": "fp32"}},
            {"id": 20, "name": "a.ckpt", "metadata": {"fp": "fp16"}},
        ]);
        let mut three = two.clone();
        let added = json!({"id": 30, "name": "a.ckpt", "metadata": {"fp": "fp16"}});
        three.as_array_mut().unwrap().insert(0, added);
        assert_eq!(named(two), named(three)[1..]);
    }

    #[test]
    fn hostile_and_missing_names_become_safe_ones() {
        let paths = named(json!([
            {"id": 1, "name": "../../etc/passwd"},
            {"id": 2, "name": ".."},
            {"id": 3, "metadata": {"format": "SafeTensor"}},
            {"name": "con.pt"},
            {"name": null},
        ]));
        assert_eq!(
            paths,
            [
                "passwd",
                "civitai-7-2.bin",
                "civitai-7-3.safetensors",
                "_con.pt",
                "civitai-7-n4.bin"
            ]
        );
    }

    #[test]
    fn a_place_is_told_apart_by_the_models_id() {
        let id = |number| CivitaiId::new(number).unwrap();
        let place = place(
            Some("knot/maker"),
            Some("Realistic/Aesthetic Poses"),
            Some(id(42)),
            id(7),
        );
        assert_eq!(place.owner.as_str(), "knot_maker");
        assert_eq!(place.name.as_str(), "Realistic_Aesthetic Poses-42");
        assert_eq!(place.revision.as_str(), "7");
        let bare = super::place(None, None, None, id(7));
        assert_eq!(bare.owner.as_str(), "civitai");
        assert_eq!(bare.name.as_str(), "model-version-7");
    }

    proptest! {
        #[test]
        fn any_names_give_as_many_distinct_safe_paths(
            names in proptest::collection::vec(("(a|A|\\PC{0,300}|\\.\\./x)", "[a-b/]{0,3}"), 0..8)
        ) {
            let files: Vec<Value> = names
                .iter()
                .enumerate()
                .map(|(nth, (name, fp))| json!({"id": nth + 1, "name": name, "metadata": {"fp": fp}}))
                .collect();
            let files: Vec<File> = serde_json::from_value(json!(files)).unwrap();
            let paths = paths(&files, CivitaiId::new(7).unwrap());
            let distinct: HashSet<String> = paths.iter().map(RelPath::fold_key).collect();
            prop_assert_eq!(distinct.len(), names.len());
        }

        #[test]
        fn any_names_give_a_place(creator in ".{0,400}", model in ".{0,400}") {
            let id = CivitaiId::new(9).unwrap();
            let place = place(Some(&creator), Some(&model), Some(id), id);
            prop_assert_eq!(place.name.segments().count(), 1);
            prop_assert!(place.name.as_str().ends_with("-9"));
        }
    }
}

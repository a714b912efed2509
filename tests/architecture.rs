//! Checks of the architecture: the layer of each folder, sizes, and the crates that each folder may
//! name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The layer of each folder of `src`. A folder names only folders of lower layers, so never a
/// folder of its own layer.
const LAYERS: [(&str, u8); 12] = [
    ("base", 0),
    ("model", 1),
    ("store", 2),
    ("sources", 2),
    ("prices", 2),
    ("exec", 3),
    ("plan", 4),
    ("jobs", 4),
    ("ingest", 4),
    ("engine", 5),
    ("reports", 6),
    ("cli", 7),
];

/// The folders that may not name all lower layers. `plan` is pure: it knows no store and runs
/// nothing. A surface works through the facade.
const MAY_NAME: [(&str, &[&str]); 4] = [
    ("prices", &["base", "model"]),
    ("sources", &["base", "model"]),
    ("plan", &["base", "model"]),
    ("cli", &["base", "engine", "reports", "sources"]),
];

/// Outside crates that only these folders may name.
const KEPT_CRATES: [(&str, &[&str]); 13] = [
    ("clap", &["cli"]),
    ("humantime", &["cli"]),
    ("indicatif", &["cli"]),
    ("tracing_subscriber", &["cli"]),
    ("unicode_width", &["cli"]),
    ("tempfile", &["store"]),
    ("twox_hash", &["model", "store"]),
    ("csv", &["ingest"]),
    ("memchr", &["ingest", "store"]),
    ("rand_chacha", &["reports"]),
    ("chrono_tz", &["base"]),
    ("datasketches", &["model"]),
    ("sketches_ddsketch", &["model"]),
];

const FILE_LINES_MAX: usize = 350;
const LINE_CHARS_MAX: usize = 100;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The code of a file, without its test module.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn folder(path: &Path) -> Option<&str> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_str()?;
    parts.next().map(|_| first)
}

/// The folders of `src` that the code of a file names.
fn named_folders(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code(text).match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let end = list.find("\n};").or_else(|| list.find("};")).unwrap_or(list.len());
            named.extend(top_level_names(&list[..end]));
        } else if let Some((name, _)) = rest.split_once("::") {
            named.insert(name.to_owned());
        }
    }
    named
}

#[test]
fn a_file_names_its_own_folder_and_lower_layers_only() {
    let (layers, may_name): (BTreeMap<_, _>, BTreeMap<_, _>) = (LAYERS.into(), MAY_NAME.into());
    for (path, text) in sources() {
        let Some(own) = folder(&path) else { continue };
        for name in named_folders(&text).iter().map(String::as_str).filter(|name| *name != own) {
            let Some(layer) = layers.get(name) else { continue };
            assert!(*layer < layers[own], "{} names {name}, a layer above", path.display());
            let allowed = may_name.get(own).is_none_or(|allowed| allowed.contains(&name));
            assert!(allowed, "{} names {name}", path.display());
        }
    }
}

#[test]
fn no_file_has_the_name_of_what_tools_put_out() {
    for (path, _) in sources() {
        assert_ne!(path.file_stem().unwrap(), "build", "{}", path.display());
    }
}

/// The folders in the list of a `use`: `base` and `model` in `{base::Day, model::{A, B}}`.
fn top_level_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut name) = (0, Vec::new(), String::new());
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 => name.push(letter),
            _ => {}
        }
    }
    names.push(name);
    names.iter().filter_map(|name| Some(name.trim().split_once("::")?.0.to_owned())).collect()
}

#[test]
fn outside_crates_stay_in_their_folders() {
    for (path, text) in sources() {
        let own = folder(&path).unwrap_or("lib");
        for (name, folders) in KEPT_CRATES {
            let used = code(&text).lines().any(|line| {
                let line = line.trim();
                line.starts_with(&format!("use {name}::")) || line.contains(&format!(" {name}::"))
            });
            let at_home = folders.contains(&own) || (name == "csv" && own == "cli");
            assert!(!used || at_home, "{} names {name}", path.display());
        }
    }
}

#[test]
fn files_and_lines_are_short_and_finished() {
    for (path, text) in sources() {
        let lines = code(&text).lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//!"), "{} doesn't say what it is for", path.display());
        // The tests of `plan` show whole plans.
        for (at, line) in code(&text).lines().enumerate() {
            let place = format!("{}:{}", path.display(), at + 1);
            // A string and a row of a table can't be broken into two lines.
            let unbroken = line.contains('"') || line.trim_start().starts_with("//! |");
            assert!(line.chars().count() <= LINE_CHARS_MAX || unbroken, "{place} is long");
            for word in ["FIX\u{4d}E", "TO\u{44}O", "XX\u{58}"] {
                assert!(!line.contains(word), "{place}: {word}");
            }
        }
    }
}

#[test]
fn arrow_parquet_and_object_store_are_there_once() {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for name in ["arrow", "parquet", "object_store", "datafusion", "clap", "tokio"] {
        let entries = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(entries, 1, "{name}");
    }
}

//! The house's rules, held: floors, sizes, and which crates each floor may name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The floor of each room; siblings on a floor never meet.
const FLOORS: [(&str, u8); 11] = [
    ("base", 0),
    ("model", 1),
    ("sample", 1),
    ("store", 2),
    ("catalog", 3),
    ("exec", 3),
    ("plan", 4),
    ("jobs", 4),
    ("ingest", 4),
    ("engine", 5),
    ("cli", 6),
];

/// Outside crates that only these rooms may name.
const KEPT_CRATES: [(&str, &[&str]); 12] = [
    ("clap", &["cli"]),
    ("comfy_table", &["cli"]),
    ("humantime", &["cli"]),
    ("indicatif", &["cli"]),
    ("tempfile", &["store"]),
    ("twox_hash", &["model", "store"]),
    ("csv", &["ingest"]),
    ("memchr", &["ingest", "store"]),
    ("rand_chacha", &["sample"]),
    ("chrono_tz", &["base"]),
    ("datasketches", &["model"]),
    ("sketches_ddsketch", &["model"]),
];

/// `plan` is pure: it may read what a snapshot says, and which table is the raw one, and no more.
const PLAN_MAY_NAME: [&str; 6] = ["base", "catalog", "exec", "model", "plan", "store"];

const FILE_LINES_MAX: usize = 400;
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

/// The part before the tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn room(path: &Path) -> Option<&str> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_str()?;
    parts.next().map(|_| first)
}

#[test]
fn a_file_names_its_own_room_and_lower_floors_only() {
    let floors: BTreeMap<_, _> = FLOORS.into();
    for (path, text) in sources() {
        let Some(own) = room(&path) else { continue };
        let floor = floors[own];
        for (name, other) in &floors {
            let names_it = code(&text).match_indices("crate::").any(|(at, _)| {
                let rest = &text[at + "crate::".len()..];
                let inside = rest.strip_prefix('{').map(|list| {
                    let end = list.find("\n};").or_else(|| list.find("};")).unwrap_or(list.len());
                    top_level_names(&list[..end]).contains(&(*name).to_owned())
                });
                inside.unwrap_or_else(|| rest.starts_with(&format!("{name}::")))
            });
            if names_it && *name != own {
                assert!(*other < floor, "{} names {name}, which is not below it", path.display());
                let pure = own != "plan" || PLAN_MAY_NAME.contains(name);
                assert!(pure, "{} names {name}", path.display());
            }
        }
    }
}

/// The rooms of `use crate::{base::Day, model::{A, B}}`.
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
fn outside_crates_stay_in_their_rooms() {
    for (path, text) in sources() {
        let own = room(&path).unwrap_or("lib");
        for (name, rooms) in KEPT_CRATES {
            let used = code(&text).lines().any(|line| {
                let line = line.trim();
                line.starts_with(&format!("use {name}::")) || line.contains(&format!(" {name}::"))
            });
            let at_home = rooms.contains(&own) || (name == "csv" && own == "cli");
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
        for (at, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), at + 1);
            // Neither a text nor a row of a table can be broken.
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

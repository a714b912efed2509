//! The public face of the crate: a change of it is seen in a change of `public_face.txt`.

use std::{fs, path::Path};

/// Every public item and method of the source. The lint `unreachable_pub` makes sure that whatever is
/// called `pub` can be reached by a user of the crate.
fn public_items() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut items = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((path.file_name().unwrap() != "cli").then_some(path));
            } else {
                let text = fs::read_to_string(&path).unwrap();
                items.extend(items_of(text.split("#[cfg(test)]").next().unwrap()));
            }
        }
    }
    items.sort();
    items.dedup();
    items.join("\n") + "\n"
}

/// The items of a file, each as `Type::signature` on one line.
fn items_of(text: &str) -> Vec<String> {
    let (mut items, mut of) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let inner = line.trim_start();
        if !line.starts_with(' ') {
            let words = inner.trim_start_matches("impl").trim_start_matches("<'_> ").trim();
            if inner.starts_with("impl") {
                words.split(" {").next().unwrap().clone_into(&mut of);
            } else if let Some(named) = inner.strip_prefix("pub ") {
                let name = named.split(['{', '(', '<', ';', ':']).next().unwrap();
                of = name.split_whitespace().last().unwrap_or_default().to_owned();
            }
        }
        let Some(item) = inner.strip_prefix("pub ") else { continue };
        if item.starts_with("use ") || item.starts_with("mod ") {
            continue;
        }
        let mut item = item.to_owned();
        let is_function = item.contains("fn ");
        while is_function && !(item.ends_with('{') || item.ends_with(';')) {
            let Some(more) = lines.next() else { break };
            item = format!("{item} {}", more.trim());
        }
        let item =
            item.trim_end_matches(['{', ';', ',', ' ']).replace("( ", "(").replace(", )", ")");
        items.push(if line.starts_with(' ') { format!("{of}::{item}") } else { item });
    }
    items
}

#[test]
fn the_public_face_is_as_it_was() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_face.txt");
    let items = public_items();
    if std::env::var_os("TALLYBOOK_UPDATE").is_some() {
        fs::write(&file, &items).unwrap();
    }
    let known = fs::read_to_string(file).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (now, before) = (lines(&items), lines(&known));
    let new: Vec<_> = now.iter().filter(|item| !before.contains(item)).collect();
    let gone: Vec<_> = before.iter().filter(|item| !now.contains(item)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "the public face changed. If that is meant, TALLYBOOK_UPDATE=1 writes it down.\nnew: {new:#?}\ngone: {gone:#?}"
    );
}

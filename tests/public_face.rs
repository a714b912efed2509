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
        let is_outermost = line.starts_with(|first: char| first.is_ascii_alphabetic());
        if let Some(implementation) = line.strip_prefix("impl") {
            let of_type = implementation.trim_start_matches("<'_>").split(" {").next().unwrap();
            of_type.trim().clone_into(&mut of);
        } else if is_outermost {
            let named = line.strip_prefix("pub ").unwrap_or_default();
            let name = named.split(['{', '(', '<', ';', ':']).next().unwrap();
            name.split_whitespace().last().unwrap_or_default().clone_into(&mut of);
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
        if is_outermost {
            items.push(item);
        } else if !of.is_empty() {
            items.push(format!("{of}::{item}"));
        }
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

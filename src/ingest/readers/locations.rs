//! Inputs by what a user types: a file, a folder, a pattern, a URL, or standard input.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    base::{Error, Result, Settings},
    ingest::{Input, readers::format::ending},
    store::objects_at,
};

/// The endings of names of logs. What is packed may have another ending behind it.
const LOGS: [&str; 6] = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet"];

/// How deep folders may lie in folders.
const DEPTH_MAX: usize = 64;

impl Input {
    /// The inputs that a location stands for: `-` for standard input; a file; the logs in a folder
    /// and in its folders, by path; the files that fit a pattern with `*`, `?` or `[…]`; an object
    /// by its URL, or the logs whose keys begin with that URL. Files of other kinds and hidden
    /// ones are left out of folders.
    ///
    /// # Errors
    /// `NotFound` when there is no such file or object; `Invalid` when there is no log in the
    /// folder or behind the pattern, or when the pattern or the URL is wrong; `Unavailable` when a
    /// folder can't be read or the store refuses.
    pub async fn at(location: &str, settings: &Settings) -> Result<Vec<Self>> {
        if location == "-" {
            return Ok(vec![Self::stdin()]);
        }
        let path = Path::new(location);
        if !path.exists() {
            if let Some(objects) = objects_at(location, settings).await? {
                let single = objects.len() == 1;
                let logs = objects.into_iter().filter(|it| single || is_log(it.path.as_ref()));
                let logs = logs.map(Self::object);
                return some(
                    logs.map(|it| if single { it } else { it.of_a_folder() }).collect(),
                    location,
                );
            }
            if location.contains(['*', '?', '[']) {
                return some(matching(location)?, location);
            }
        }
        if path.is_dir() {
            let mut files = Vec::new();
            add_logs(path, 0, &mut files)?;
            files.sort();
            let files = files.into_iter().map(|file| Self::file(file).of_a_folder());
            return some(files.collect(), location);
        }
        Ok(vec![Self::file(path)])
    }

    /// The inputs without a file's second mention: a file that is named twice, or found through two
    /// links, is read once.
    #[must_use]
    pub fn each_once(inputs: Vec<Self>) -> Vec<Self> {
        let mut known = HashSet::new();
        let mut is_new = |input: &Self| input.identity().is_none_or(|file| known.insert(file));
        inputs.into_iter().filter(|input| is_new(input)).collect()
    }
}

fn some(inputs: Vec<Input>, location: &str) -> Result<Vec<Input>> {
    if inputs.is_empty() {
        let endings = LOGS.join(", .");
        return Err(Error::invalid(format!(
            "{location}: there is no log; the names of logs end in .{endings}, with .gz, .zst or \
             .bz2 behind it if they are packed"
        )));
    }
    Ok(inputs)
}

fn matching(pattern: &str) -> Result<Vec<Input>> {
    let paths = glob::glob(pattern)
        .map_err(|error| Error::invalid(format!("{pattern}: {error}")).with_source(error))?;
    let mut inputs = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let name = error.path().display().to_string();
            Error::io(&name, error.into())
        })?;
        if path.is_file() {
            inputs.push(Input::file(path).of_a_folder());
        }
    }
    Ok(inputs)
}

/// Adds the logs of a folder and of its folders. Links to folders are not followed, because they
/// may lead in circles.
fn add_logs(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let name = folder.display().to_string();
    if depth > DEPTH_MAX {
        return Err(Error::invalid(format!("{name}: folders are nested too deep")));
    }
    for entry in fs::read_dir(folder).map_err(|error| Error::io(&name, error))? {
        let entry = entry.map_err(|error| Error::io(&name, error))?;
        let kind = entry.file_type().map_err(|error| Error::io(&name, error))?;
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if is_hidden {
            continue;
        }
        if kind.is_dir() {
            add_logs(&path, depth + 1, files)?;
        } else if path.is_file() && is_log(&path.to_string_lossy()) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_log(name: &str) -> bool {
    ending(name).is_some_and(|ending| LOGS.contains(&ending.as_str()))
}

//! The definitions of a root: a chain of files. Each file is created if absent and never changed.
//! The newest definition is in force. Segments that were built by a previous definition may still
//! serve.
//!
//! A root of format 1 has one definition, in `dataset.toml`, which is overwritten when the
//! definition changes. It also has a copy of each definition that segments were built by, named
//! by the definition's hash. The first writer of format 2 makes a chain of all these definitions.

use bytes::Bytes;
use futures::{TryStreamExt as _, future::try_join_all, join};
use object_store::{ObjectMeta, ObjectStore as _, PutMode, PutOptions, PutPayload, path::Path};

use crate::{
    base::{Error, ErrorKind, Result, Span, failpoint},
    model::{with_hash, without_hash},
    store::{
        Creation, Root, Staging,
        cache::metadata::name_of,
        create_bytes,
        layout::{
            DATASET_FILE, DEFINITIONS_FOLDER, definition_number, definition_path,
            is_definition_of_format_1,
        },
        list::local_folders::flat_files,
        list_raw, store_error,
        write::permissions,
    },
};

/// The prefix of a definition's last line, in front of the hash. The line is a comment in TOML.
const HASH: &str = "# blake3 ";

/// The content of `dataset.toml` since format 2.
const MARKER: &str = "# This root's definition is the newest file in definitions/. This file only keeps programs\n\
                      # of format 1 from taking the folder for an empty one.\nformat = 2\n";

/// The text of one definition of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The full name of the definition's file, for messages.
    pub file: String,
    /// The text, without the line with the hash.
    pub text: String,
}

/// A root's definitions.
#[derive(Clone, Debug)]
pub(crate) struct Definitions {
    /// The number of the newest definition, from 1; 0 in a root of format 1.
    pub number: u32,
    /// The newest definition.
    pub newest: Stored,
    /// The previous definitions, oldest first. `None` stands for a damaged or missing definition,
    /// whose segments are no longer used.
    pub previous: Vec<Option<Stored>>,
}

/// The root's definitions. `None` when there is no dataset.
///
/// # Errors
/// `Corrupt` when the newest definition is damaged, or when all definitions are gone and the root
/// has rows; any error from the store. A damaged or missing previous definition is only a
/// warning.
pub(crate) async fn read_definitions(root: &Root) -> Result<Option<Definitions>> {
    let first = definition_path(1);
    // Most roots have one definition, so definition 1 is read while the folder is listed.
    let (listed, guessed) = join!(list(root), root.read(&first));
    let guessed = guessed?;
    let listed = match listed {
        Ok(listed) => listed,
        // The listing failed and there is no definition 1. If `dataset.toml` is missing as well,
        // there is no dataset: the root or its bucket may not exist. Otherwise the error of the
        // listing counts.
        Err(error) if guessed.is_none() => {
            let old = root.read(&Path::from(DATASET_FILE)).await?;
            return if old.is_none() { Ok(None) } else { Err(error) };
        }
        // Some object in the folder has a name that is not a valid path. The definitions can
        // still be found one by one, by number.
        Err(error) if error.kind() == ErrorKind::Invalid => list_by_number(root).await?,
        Err(error) => return Err(error),
    };
    let mut numbers: Vec<_> =
        listed.iter().filter_map(|file| Some((definition_number(&file.location)?, file))).collect();
    numbers.sort_unstable_by_key(|(number, _)| *number);
    let Some((newest, _)) = numbers.last().copied() else {
        return match guessed {
            // Definition 1 was created after the listing.
            Some(found) => first_definition(root, &found).map(Some),
            None => read_format_1(root, &listed).await,
        };
    };
    let texts = (1..=newest).map(|number| {
        let guessed = guessed.as_ref().filter(|_| number == 1);
        let listed = numbers.iter().find(|(other, _)| *other == number).map(|(_, file)| *file);
        async move {
            let read = match (guessed, listed) {
                (Some(bytes), _) => Ok(bytes.clone()),
                (None, Some(file)) => Ok(read_listed(root, file).await?),
                (None, None) => {
                    let name = root.full_name(&definition_path(number));
                    Err(Error::corrupt(format!("{name}: is gone; a definition is never deleted")))
                }
            };
            match read.and_then(|bytes| stored(root, &definition_path(number), &bytes)) {
                Err(error) if number < newest => {
                    root.warn(&format!(
                        "{error}; another definition took its place, and what was built by it \
                         serves no more"
                    ));
                    Ok(None)
                }
                stored => stored.map(Some),
            }
        }
    });
    let mut previous = try_join_all(texts).await?;
    let latest = previous.pop().flatten();
    let latest = latest.ok_or_else(|| Error::internal("no definition"))?;
    Ok(Some(Definitions { number: newest, newest: latest, previous }))
}

/// Creates the root's definition of that number from the text. `false` when a different
/// definition of that number exists; then nothing was changed.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn create_definition(
    root: &Root,
    staging: &Staging,
    number: u32,
    text: &str,
) -> Result<bool> {
    let file = Bytes::from(with_hash(text, HASH));
    failpoint("init.definition");
    match create_bytes(root, staging, &definition_path(number), file).await {
        Ok(Creation::New | Creation::Same) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// Checks that no definition is newer than the one of that number.
///
/// # Errors
/// `Conflict` when a newer definition exists; any error from the store.
pub(crate) async fn check_newest_definition(root: &Root, number: u32) -> Result<()> {
    if has_definition(root, number + 1).await? {
        return Err(Error::conflict(format!(
            "{}: its definition was replaced meanwhile; nothing was changed, try again",
            root.name()
        )));
    }
    Ok(())
}

/// Whether the root has a definition of that number. Looks at the store, not at a cache.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn has_definition(root: &Root, number: u32) -> Result<bool> {
    Ok(root.look(&definition_path(number)).await?.is_some())
}

/// Tests the one guarantee of a store that the whole protocol depends on: a create fails when the
/// name is taken. The tested name is `dataset.toml`, a file that keeps programs of format 1 out.
///
/// # Errors
/// `Unavailable` when the store overwrites a file that it should only create, or refuses.
pub(crate) async fn probe_create(root: &Root, staging: &Staging) -> Result<()> {
    let path = Path::from(DATASET_FILE);
    match create_bytes(root, staging, &path, Bytes::from(MARKER)).await {
        // `dataset.toml` has other content: another writer made the root, so this probe has
        // nothing to add.
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
        created => created?,
    };
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match root.store().put_opts(&path, PutPayload::from(MARKER), options).await {
        Err(
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
        ) => Ok(()),
        Ok(_) => Err(Error::unavailable(format!(
            "{}: the store overwrites files that it was asked to create only if absent, so rows \
             could be lost here; use another store",
            root.name()
        ))),
        Err(error) => Err(store_error(&root.full_name(&path), error)),
    }
}

/// Makes a chain of the definitions of a root of format 1, and gives the number of the newest.
/// Every program makes the same chain.
///
/// # Errors
/// `Conflict` when a different definition of one of the numbers exists; `Unavailable` when the
/// store refuses.
pub(crate) async fn move_to_format_2(
    root: &Root,
    staging: &Staging,
    found: &Definitions,
) -> Result<u32> {
    let mut number = 0;
    for stored in found.previous.iter().flatten().chain([&found.newest]) {
        number += 1;
        if !create_definition(root, staging, number, &stored.text).await? {
            return Err(Error::conflict(format!(
                "{}: its definition was changed meanwhile; try again",
                root.name()
            )));
        }
    }
    replace_dataset_file(root, staging).await?;
    Ok(number)
}

async fn list(root: &Root) -> Result<Vec<ObjectMeta>> {
    let folder = Path::from(DEFINITIONS_FOLDER);
    let is_ours =
        |path: &Path| definition_number(path).is_some() || is_definition_of_format_1(path);
    if let Some(dir) = root.local_dir() {
        return flat_files(dir, DEFINITIONS_FOLDER, is_ours);
    }
    let listed = root.store().list(Some(&folder)).try_collect::<Vec<_>>().await;
    let listed = listed.map_err(|error| store_error(&root.full_name(&folder), error))?;
    Ok(listed.into_iter().filter(|file| is_ours(&file.location)).collect())
}

async fn list_by_number(root: &Root) -> Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    for number in 1.. {
        let Some(file) = root.look(&definition_path(number)).await? else { break };
        found.push(file);
    }
    Ok(found)
}

async fn read_listed(root: &Root, file: &ObjectMeta) -> Result<Bytes> {
    root.metadata_cache()
        .find_or(&name_of(file), async {
            let found = root.read(&file.location).await?;
            found.ok_or_else(|| {
                Error::not_found(format!("{}: not found", root.full_name(&file.location)))
            })
        })
        .await
}

fn stored(root: &Root, path: &Path, bytes: &[u8]) -> Result<Stored> {
    let file = root.full_name(path);
    let (text, _) = without_hash(bytes, HASH).map_err(|error| error.about(&file))?;
    Ok(Stored { text: text.to_owned(), file })
}

/// The definitions of a root that has no more than definition 1.
fn first_definition(root: &Root, found: &[u8]) -> Result<Definitions> {
    let newest = stored(root, &definition_path(1), found)?;
    Ok(Definitions { number: 1, newest, previous: Vec::new() })
}

async fn read_format_1(root: &Root, listed: &[ObjectMeta]) -> Result<Option<Definitions>> {
    let path = Path::from(DATASET_FILE);
    let Some(found) = root.read(&path).await? else { return Ok(None) };
    if found == MARKER {
        // `dataset.toml` is written before definition 1, so a root without rows was left
        // unfinished.
        let Some(days) = Span::ALL.day_bounds() else { return Ok(None) };
        if list_raw(root, days).await?.is_empty() {
            return Ok(None);
        }
        // A definition is created before the rows. Since the first look, another program may have
        // made the root and appended rows.
        if let Some(found) = root.read(&definition_path(1)).await? {
            return first_definition(root, &found).map(Some);
        }
        return Err(Error::corrupt(format!(
            "{}: is gone, and there are rows; copy that folder again",
            root.full_name(&Path::from(DEFINITIONS_FOLDER))
        )));
    }
    let newest = Stored { text: text_of(root, &path, &found)?, file: root.full_name(&path) };
    let of_format_1 = listed.iter().filter(|file| is_definition_of_format_1(&file.location));
    let mut of_format_1: Vec<_> = of_format_1.collect();
    of_format_1.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    let previous = of_format_1.into_iter().map(|file| async {
        let text = text_of(root, &file.location, &read_listed(root, file).await?)?;
        Ok::<_, Error>(Some(Stored { text, file: root.full_name(&file.location) }))
    });
    let mut previous = try_join_all(previous).await?;
    previous.retain(|stored| stored.as_ref().is_some_and(|it| it.text != newest.text));
    Ok(Some(Definitions { number: 0, newest, previous }))
}

fn text_of(root: &Root, path: &Path, bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Error::corrupt(format!("{}: is not UTF-8", root.full_name(path))))
}

/// Replaces the definition of format 1 in `dataset.toml` by the marker. The definition is in the
/// chain by now.
async fn replace_dataset_file(root: &Root, staging: &Staging) -> Result<()> {
    let path = Path::from(DATASET_FILE);
    let name = root.full_name(&path);
    let Some(local) = root.local_dir() else {
        let (store, marker) = (root.store(), PutPayload::from(MARKER));
        let put = store.put_opts(&path, marker, PutOptions::default()).await;
        return put.map(drop).map_err(|error| store_error(&name, error));
    };
    let (staged, mut file) = staging.create(DATASET_FILE)?;
    let replaced = std::io::Write::write_all(&mut file, MARKER.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| permissions::like_root(local, &staged))
        .and_then(|()| std::fs::rename(&staged, local.join(DATASET_FILE)))
        .and_then(|()| std::fs::File::open(local)?.sync_all());
    replaced.map_err(|error| {
        Error::unavailable(format!("can't write {name}: {error}")).with_source(error)
    })
}

//! Files of other tools. A file is identified by its name and its bytes.
//!
//! The size and version that a store lists are only a key to bytes that were hashed before: a
//! copy of a root, or a `touch`, changes the key and not the file. If a manifest has absorbed a
//! file of that name, the bytes decide whether this is the absorbed file or its owner rewrote it.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::{
    base::{Day, Error, ErrorKind, Result},
    model::{ForeignFile, Leaf, LeafId, LeafKind, Manifest},
    store::{
        LeafFooter, Root, cache::metadata::name_of, file_footer, layout::file_name, read_error,
    },
};

/// The file as a leaf. The leaf's id is only a key: if a file of its name was absorbed, the bytes
/// decide.
#[must_use]
pub(crate) fn foreign_leaf(day: Day, file: ObjectMeta) -> Leaf {
    let version = match (&file.e_tag, &file.version) {
        (Some(tag), _) => tag.clone(),
        (None, Some(version)) => version.clone(),
        (None, None) => file.last_modified.to_rfc3339(),
    };
    let id = LeafId::of_foreign(file.location.as_ref(), file.size, &version);
    Leaf { id, day, kind: LeafKind::Foreign, file, remains: None }
}

/// The file's name, size and BLAKE3, which tell it from other files.
///
/// # Errors
/// The store's error when the file can't be read.
pub(crate) async fn foreign_file(root: &Root, file: &ObjectMeta) -> Result<ForeignFile> {
    let name = file_name(&file.location).to_owned();
    Ok(ForeignFile { name, bytes: file.size, blake3: hash_of(root, file).await? })
}

/// The leaf, with [`LeafKind::Foreign`] if its footer shows that it isn't ours. The name is not
/// enough: any tool may name a file as format 1 did.
///
/// # Errors
/// The store's error when the footer can't be read.
pub(crate) async fn told_by_footer(root: &Root, leaf: Arc<Leaf>) -> Result<Arc<Leaf>> {
    if !leaf.is_of_format_1() || leaf.kind == LeafKind::Foreign {
        return Ok(leaf);
    }
    let ours = match file_footer(root, &leaf.file).await {
        Ok(footer) => footer.leaf().is_some_and(|found| found.id == leaf.id),
        // Not ours, or ours and damaged: a reader of the rows reports the damage.
        Err(error) if error.kind() == ErrorKind::Corrupt => false,
        Err(error) => return Err(error),
    };
    Ok(if ours { leaf } else { Arc::new(foreign_leaf(leaf.day, leaf.file.clone())) })
}

/// Whether a file with another tool's name is a copy of one of ours, so that its rows would count
/// twice. A copied leaf counts as a copy if it is of another day, or if the original is among the
/// day's leaves, was absorbed by the manifest, or has another copy that is listed first. Any other
/// copied file of ours counts as a copy.
///
/// # Errors
/// The store's error when a footer can't be read.
pub(crate) async fn is_copy(
    root: &Root,
    (leaves, manifest): (&[Arc<Leaf>], Option<&Manifest>),
    file: &Leaf,
) -> Result<bool> {
    let footer = match file_footer(root, &file.file).await {
        Ok(footer) => footer,
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
        Err(error) => return Err(error),
    };
    let is_here = match footer.leaf() {
        // A file of merged rows, or of a rollup.
        None => true,
        Some(found) if found.date != file.day.to_string() => true,
        Some(found) => {
            let absorbed = manifest.and_then(|manifest| manifest.absorbed(&found.id));
            absorbed.is_some_and(|absorbed| !absorbed.void)
                || has_leaf(root, leaves, &found.id).await?
                || has_copy_before(root, leaves, (file, &found.id)).await?
        }
    };
    if is_here {
        root.warn(&format!(
            "{}: is a copy of a file of Tallybook, and doesn't count; delete it, or if that file is \
             gone, give the copy its day and name back",
            root.full_name(&file.file.location)
        ));
    }
    Ok(is_here)
}

/// The footer of the leaf that a file holds, whatever its name. `None` when the file isn't ours, is
/// damaged or holds no leaf.
///
/// # Errors
/// The store's error when the footer can't be read.
pub(crate) async fn leaf_in(root: &Root, file: &ObjectMeta) -> Result<Option<LeafFooter>> {
    match file_footer(root, file).await {
        Ok(footer) => Ok(footer.leaf().cloned()),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the leaf with this id is among `leaves`, and isn't a void.
async fn has_leaf(root: &Root, leaves: &[Arc<Leaf>], id: &LeafId) -> Result<bool> {
    let Some(leaf) = leaves.iter().find(|leaf| leaf.id == *id) else { return Ok(false) };
    match file_footer(root, &leaf.file).await {
        Ok(footer) => Ok(footer.leaf().is_some_and(|leaf| leaf.void.is_none())),
        // The leaf is damaged, but it is there.
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether another copy of the leaf is listed before `copy`. Of a lost leaf's copies, only the
/// first counts.
async fn has_copy_before(
    root: &Root,
    leaves: &[Arc<Leaf>],
    (copy, id): (&Leaf, &LeafId),
) -> Result<bool> {
    let foreign = leaves.iter().filter(|leaf| leaf.kind == LeafKind::Foreign);
    for leaf in foreign.filter(|leaf| leaf.file.location < copy.file.location) {
        if leaf_in(root, &leaf.file).await?.is_some_and(|leaf| leaf.id == *id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the manifest has absorbed this file.
///
/// # Errors
/// The store's error when the file can't be read.
pub(crate) async fn is_absorbed_foreign(
    root: &Root,
    manifest: &Manifest,
    file: &ObjectMeta,
) -> Result<bool> {
    let name = file_name(&file.location);
    let named: Vec<_> = manifest.foreign().filter(|(_, it)| it.name == name).collect();
    let alike = named.iter().filter(|(_, it)| it.bytes == file.size);
    let alike: Vec<_> = alike.collect();
    let is_it = !alike.is_empty() && {
        let hash = hash_of(root, file).await?;
        alike.iter().any(|(_, absorbed)| absorbed.blake3 == hash)
    };
    if !named.is_empty() && !is_it {
        root.warn(&format!(
            "{}: was merged or erased from before, and its owner wrote it anew since: all of its \
             rows count, beside those of then",
            root.full_name(&file.location)
        ));
    }
    Ok(is_it)
}

/// The BLAKE3 of all bytes of a listed file, in hex. The hash is cached.
async fn hash_of(root: &Root, file: &ObjectMeta) -> Result<String> {
    let key = format!("hash {}", name_of(file));
    let hash =
        root.metadata_cache().find_or(&key, async { hash_now(root, file).await.map(Bytes::from) });
    String::from_utf8(hash.await?.to_vec())
        .map_err(|error| Error::internal("a hash that was kept").with_source(error))
}

/// The BLAKE3 of all bytes that a file has now, in hex.
///
/// # Errors
/// The store's error when the file can't be read.
pub(crate) async fn hash_now(root: &Root, file: &ObjectMeta) -> Result<String> {
    let fail = |error| read_error(&root.full_name(&file.location), error);
    let mut bytes = root.store().get(&file.location).await.map_err(fail)?.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = bytes.try_next().await.map_err(fail)? {
        hasher.update(&chunk);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

//! Files of other tools: what tells one from another is its name and its bytes.
//!
//! Size and version, as a store lists them, are only a key to bytes that were hashed before: a copy
//! of a root, or a `touch`, changes them and not the file. So where a manifest has absorbed a file
//! of that name, the bytes decide whether this is it, or its owner wrote it anew.

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::{Leaf, LeafKind, Root, kept::name_of, layout::file_name, store_error};
use crate::{
    base::{Day, Error, Result},
    model::{ForeignFile, LeafId, Manifest},
};

/// The file as a leaf. Its id is a key only: where one was absorbed, the bytes decide.
#[must_use]
pub(super) fn foreign_leaf(day: Day, file: ObjectMeta) -> Leaf {
    let version = match (&file.e_tag, &file.version) {
        (Some(tag), _) => tag.clone(),
        (None, Some(version)) => version.clone(),
        (None, None) => file.last_modified.to_rfc3339(),
    };
    let id = LeafId::of_foreign(file.location.as_ref(), file.size, &version);
    Leaf { id, day, kind: LeafKind::Foreign, file }
}

/// The file, by what tells it from others.
///
/// # Errors
/// What the store says.
pub(crate) async fn foreign_file(root: &Root, file: &ObjectMeta) -> Result<ForeignFile> {
    let name = file_name(&file.location).to_owned();
    Ok(ForeignFile { name, bytes: file.size, blake3: hash_of(root, file).await? })
}

/// Whether the manifest accounts for the rows of that file.
///
/// # Errors
/// What the store says.
pub(super) async fn is_absorbed_foreign(
    root: &Root,
    manifest: &Manifest,
    file: &ObjectMeta,
) -> Result<bool> {
    let name = file_name(&file.location);
    let alike = |(_, it): &(_, &ForeignFile)| it.name == name && it.bytes == file.size;
    let alike: Vec<_> = manifest.foreign().filter(alike).collect();
    if alike.is_empty() {
        return Ok(false);
    }
    let hash = hash_of(root, file).await?;
    Ok(alike.iter().any(|(_, absorbed)| absorbed.blake3 == hash))
}

/// The BLAKE3 of all bytes of a file as it was listed, read once.
async fn hash_of(root: &Root, file: &ObjectMeta) -> Result<String> {
    let key = format!("hash {}", name_of(file));
    let hash = root.kept().find_or(&key, async { hash_now(root, file).await.map(Bytes::from) });
    String::from_utf8(hash.await?.to_vec())
        .map_err(|error| Error::internal("a hash that was kept").with_source(error))
}

/// The BLAKE3 of all bytes of a file as they are now, in hex.
///
/// # Errors
/// What the store says.
pub(crate) async fn hash_now(root: &Root, file: &ObjectMeta) -> Result<String> {
    let fail = |error| store_error(&root.full_name(&file.location), error);
    let mut bytes = root.store().get(&file.location).await.map_err(fail)?.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = bytes.try_next().await.map_err(fail)? {
        hasher.update(&chunk);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

//! A day's manifests: reading one, and creating the next one.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::{
    base::{Day, Error, ErrorKind, Result},
    model::{Base, Leaf, LeafDay, LeafId, LeafKind, Manifest, sorted_ids},
    store::{
        Creation, ManifestTag, Root, Staging, cache::metadata::name_of, create_bytes,
        layout::tag_path, list_raw, manifest_path, store_error,
    },
};

/// The day's manifest of that generation. With `listed`, the manifest may come from the cache.
/// Without `listed`, the manifest is always read: the path alone could belong to a root that was
/// deleted and made anew.
///
/// # Errors
/// `NotFound` when the manifest is gone; `Corrupt` when the file isn't that manifest or is
/// damaged; `Invalid` when the manifest has a newer format; any error from the store.
pub(crate) async fn read_manifest(
    root: &Root,
    day: Day,
    generation: u32,
    listed: Option<&ObjectMeta>,
) -> Result<Arc<Manifest>> {
    let path = listed.map_or_else(|| manifest_path(day, generation), |it| it.location.clone());
    let read = async {
        let found = root.read(&path).await?;
        found.ok_or_else(|| {
            let name = root.full_name(&path);
            Error::not_found(format!("{name}: the day's manifest is gone"))
        })
    };
    let bytes = match listed {
        None => read.await?,
        Some(listed) => root.metadata_cache().find_or(&name_of(listed), read).await?,
    };
    let manifest = Manifest::parse(&bytes, day, generation);
    manifest.map(Arc::new).map_err(|error| error.about(root.full_name(&path)))
}

/// The manifest behind a day's base.
///
/// # Errors
/// See [`read_manifest`].
pub(crate) async fn read_base(root: &Root, day: Day, base: &Base) -> Result<Arc<Manifest>> {
    match &base.manifest {
        Some(manifest) => Ok(Arc::clone(manifest)),
        None => read_manifest(root, day, base.generation, base.listed.as_ref()).await,
    }
}

/// Whether the day has files of other tools, or had some that its manifest absorbed. Their owners
/// may replace them, so a hint of a file that is gone proves no loss.
///
/// # Errors
/// See [`read_manifest`].
pub(crate) async fn has_foreign(root: &Root, live: &LeafDay) -> Result<bool> {
    let is_foreign = |leaf: &Arc<Leaf>| leaf.kind == LeafKind::Foreign;
    Ok(match &live.base {
        _ if live.leaves.iter().any(is_foreign) => true,
        None => false,
        Some(base) => read_base(root, live.day, base).await?.foreign().next().is_some(),
    })
}

/// The ids of all leaves that brought rows to the day, and the marks of the day's erasures,
/// sorted.
///
/// # Errors
/// See [`read_manifest`].
pub(crate) async fn leaf_ids(root: &Root, live: &LeafDay) -> Result<Vec<LeafId>> {
    let loose = live.loose().map(|leaf| leaf.id.clone());
    let absorbed = match &live.base {
        None => Vec::new(),
        Some(base) => read_base(root, live.day, base).await?.ids.clone(),
    };
    Ok(sorted_ids(loose.chain(absorbed)))
}

/// The day's newest manifest, from a new listing. `None` when the day has no manifest.
///
/// # Errors
/// `Unavailable` when the day is damaged or its manifest can't be read; any error from the store.
pub(crate) async fn newest_manifest(root: &Root, day: Day) -> Result<Option<Arc<Manifest>>> {
    match list_raw(&root.with_new_listings(), (day, day)).await?.first() {
        None => Ok(None),
        Some(folder) => {
            // An unreadable manifest leaves unknown which leaves were absorbed.
            let fail = |error: Error| {
                let what = format!("day {day} can't be read: {error}; `repair {day}` may mend it");
                Error::unavailable(what).with_source(error)
            };
            if let Some(damage) = &folder.live(root).await?.damage {
                return Err(fail(damage.to_error()));
            }
            folder.read_newest(root).await.map_err(fail)
        }
    }
}

/// Creates the manifest as the day's next generation. `false` when a different manifest of that
/// generation exists; then nothing was changed.
///
/// # Errors
/// `Unavailable` when the store refuses; the manifest may be visible nevertheless.
pub(crate) async fn create_manifest(
    root: &Root,
    staging: &Staging,
    day: Day,
    manifest: &Manifest,
) -> Result<bool> {
    let bytes = manifest.to_file()?;
    let path = manifest_path(day, manifest.generation);
    match create_bytes(root, staging, &path, Bytes::from(bytes)).await {
        Ok(Creation::New | Creation::Same) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates the tag of a manifest.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn create_tag(
    root: &Root,
    staging: &Staging,
    day: Day,
    tag: &ManifestTag,
) -> Result<()> {
    create_bytes(root, staging, &tag_path(day, tag), Bytes::new()).await.map(drop)
}

/// Deletes a file that nothing refers to. A file that is gone already is not an error.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn delete_file(root: &Root, path: &object_store::path::Path) -> Result<()> {
    match root.store().delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(store_error(&root.full_name(path), error)),
    }
}

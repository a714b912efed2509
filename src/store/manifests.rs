//! A day's manifests: reading one, and creating the next.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::{
    base::{Day, Error, ErrorKind, Result},
    model::{Base, LeafDay, LeafId, Manifest, sorted_ids},
    store::{
        Creation, ManifestTag, Root, Staging, cache::metadata::name_of, create_bytes,
        layout::tag_path, list_raw, manifest_path, store_error,
    },
};

/// That day's manifest of that generation. As it was listed it is found again if it was read
/// before: by its path alone it could be that of a root that was deleted and made anew.
///
/// # Errors
/// `NotFound` when it is gone, as an old one may be; `Corrupt` when it isn't one.
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
        Some(listed) => root.kept().find_or(&name_of(listed), read).await?,
    };
    let manifest = Manifest::parse(&bytes, day, generation);
    manifest.map(Arc::new).map_err(|error| error.about(root.full_name(&path)))
}

/// The manifest that a day's base is of.
///
/// # Errors
/// As [`read_manifest`].
pub(crate) async fn read_base(root: &Root, day: Day, base: &Base) -> Result<Arc<Manifest>> {
    match &base.manifest {
        Some(manifest) => Ok(Arc::clone(manifest)),
        None => read_manifest(root, day, base.generation, base.listed.as_ref()).await,
    }
}

/// The ids of all leaves that a day's rows came as, sorted; with the marks of its erasures.
///
/// # Errors
/// As [`read_manifest`].
pub(crate) async fn leaf_ids(root: &Root, live: &LeafDay) -> Result<Vec<LeafId>> {
    let loose = live.loose().map(|leaf| leaf.id.clone());
    let absorbed = match &live.base {
        None => Vec::new(),
        Some(base) => read_base(root, live.day, base).await?.ids.clone(),
    };
    Ok(sorted_ids(loose.chain(absorbed)))
}

/// The day's newest manifest, from a new listing; none when there is none.
///
/// # Errors
/// What listing the day meets; as [`read_manifest`]; `Unavailable` for a damaged day, of which
/// nobody knows what it accounts for.
pub(crate) async fn newest_manifest(root: &Root, day: Day) -> Result<Option<Arc<Manifest>>> {
    match list_raw(&root.with_new_listings(), (day, day)).await?.first() {
        None => Ok(None),
        Some(folder) => {
            // Nobody knows what a manifest accounts for that can't be read.
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

/// Makes the manifest the day's next generation. `false` when another one of that generation was
/// faster: nothing changed then.
///
/// # Errors
/// `Unavailable` when the store refuses, and whether it became visible is open.
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

/// Keeps what that manifest says as a name.
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

/// Deletes a file that nothing refers to; one that is gone already is fine.
///
/// # Errors
/// What the store says.
pub(crate) async fn delete_file(root: &Root, path: &object_store::path::Path) -> Result<()> {
    match root.store().delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(store_error(&root.full_name(path), error)),
    }
}

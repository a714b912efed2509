//! The definition of a root, and those that it had before.

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore as _, PutMode, PutOptions, PutPayload, path::Path};

use super::{
    Creation, DATASET_FILE, Root, Staging, create_bytes, definition_path,
    layout::DEFINITIONS_FOLDER, store_error,
};
use crate::base::{Error, Result, step};

/// The text of the root's definition; `None` when there is no dataset.
///
/// # Errors
/// What the store says; `Corrupt` when it isn't text.
pub(crate) async fn read_definition(root: &Root) -> Result<Option<String>> {
    let path = Path::from(DATASET_FILE);
    root.read(&path).await?.map(|bytes| text_of(root, &path, &bytes)).transpose()
}

/// The files of the definitions that segments were ever built by.
///
/// # Errors
/// What the store says.
pub(crate) async fn list_definitions(root: &Root) -> Result<Vec<ObjectMeta>> {
    let folder = Path::from(DEFINITIONS_FOLDER);
    let listed: Result<Vec<ObjectMeta>, _> = root.store().list(Some(&folder)).try_collect().await;
    match listed {
        Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(store_error(&root.full_name(&folder), error)),
        Ok(listed) => Ok(listed),
    }
}

/// The text of a definition that segments were built by.
///
/// # Errors
/// As [`read_definition`]; `NotFound` when it is gone.
pub(crate) async fn read_kept_definition(root: &Root, path: &Path) -> Result<String> {
    let bytes = root.kept().find_or(path.as_ref(), async {
        let found = root.read(path).await?;
        found.ok_or_else(|| Error::not_found(format!("{}: not found", root.full_name(path))))
    });
    text_of(root, path, &bytes.await?)
}

/// Keeps a definition that segments are built by.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn keep_definition(
    root: &Root,
    staging: &Staging,
    text: &str,
) -> Result<Creation> {
    let path = definition_path(text);
    let kept = create_bytes(root, staging, &path, Bytes::from(text.to_owned())).await;
    step("definition: kept");
    kept
}

/// Puts a definition in place of the root's. The one file that is ever changed in place; whoever
/// opens the root reads the one or the other.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn replace_definition(root: &Root, staging: &Staging, text: &str) -> Result<()> {
    let path = Path::from(DATASET_FILE);
    let name = root.full_name(&path);
    let Some(local) = root.local_dir() else {
        let options = PutOptions { mode: PutMode::Overwrite, ..PutOptions::default() };
        let payload = PutPayload::from(text.to_owned());
        let put = root.store().put_opts(&path, payload, options).await;
        return put.map(drop).map_err(|error| store_error(&name, error));
    };
    let (staged, mut file) = staging.create(DATASET_FILE)?;
    let replaced = std::io::Write::write_all(&mut file, text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&staged, local.join(DATASET_FILE)))
        .and_then(|()| std::fs::File::open(local)?.sync_all());
    replaced.map_err(|error| {
        Error::unavailable(format!("can't write {name}: {error}")).with_source(error)
    })
}

fn text_of(root: &Root, path: &Path, bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Error::corrupt(format!("{}: is not UTF-8", root.full_name(path))))
}

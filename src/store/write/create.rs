//! Makes files visible: each file is created only if absent, and is durable before the create is
//! acknowledged. If a store's answer is unclear, the file is read back.
//!
//! Stores may commit a create and then answer with an error. Clients may repeat a create that had
//! succeeded, and then report their own object as another writer's. So only a plain success is
//! believed. After any other answer the object is read back, and its content decides.

use std::{
    fs::{self, File},
    io,
    path::Path as FilePath,
};

use bytes::Bytes;
use object_store::{ObjectStore as _, PutMode, PutOptions, PutPayload, path::Path};

use crate::{
    base::{Error, ErrorKind, Result, failpoint},
    store::{
        Root, Staging, store_error,
        write::{other_disk, permissions},
    },
};

/// How often a create is sent, if its object turns out not to exist.
const ATTEMPTS: usize = 3;

/// The result of a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// This call created the file.
    New,
    /// The file existed already, with the same content.
    Same,
}

/// Makes a staged file visible at `path`. If the result is unclear, `read_back` reads the object
/// at `path`: its `None` means no object, `Some(creation)` the same content, and an error a
/// conflict.
///
/// # Errors
/// The error of `read_back`; `Unavailable` when the store refuses the file.
pub(crate) async fn create_file<J, F>(
    root: &Root,
    path: &Path,
    staged: &FilePath,
    read_back: J,
) -> Result<Creation>
where
    J: Fn() -> F + Send + Sync,
    F: Future<Output = Result<Option<Creation>>> + Send,
{
    if let Some(local) = root.local_dir() {
        let (target, staged) = (local.join(path.as_ref()), staged.to_owned());
        let local = local.to_owned();
        let name = root.full_name(path);
        let linked =
            tokio::task::spawn_blocking(move || link_durably(&staged, &target, &local)).await;
        return match linked.map_err(|error| Error::internal("link").with_source(error))? {
            Ok(()) => Ok(Creation::New),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                read_back().await?.ok_or_else(|| Error::unavailable(format!("{name}: {error}")))
            }
            Err(error) => {
                Err(Error::unavailable(format!("can't create {name}: {error}")).with_source(error))
            }
        };
    }
    let bytes = tokio::fs::read(staged).await;
    // A staged file that is gone is trouble of this machine, and nothing that isn't there.
    let bytes = bytes.map_err(|error| {
        let message = format!("can't read {}: {error}", staged.display());
        Error::unavailable(message).with_source(error)
    })?;
    put_settled(root, path, bytes.into(), read_back).await
}

/// Makes a small file visible at `path`, or finds the same bytes there.
///
/// # Errors
/// `Conflict` when `path` has other bytes; `Unavailable` when the store refuses the file.
pub(crate) async fn create_bytes(
    root: &Root,
    staging: &Staging,
    path: &Path,
    bytes: Bytes,
) -> Result<Creation> {
    let read_back = || async {
        match root.read(path).await? {
            None => Ok(None),
            Some(found) if found == bytes => Ok(Some(Creation::Same)),
            Some(_) => {
                let name = root.full_name(path);
                Err(Error::conflict(format!("{name}: is there with other content")))
            }
        }
    };
    if root.local_dir().is_some() {
        // Files of one name in different folders may be staged at once.
        let (staged, mut file) = staging.create(&path.as_ref().replace('/', "-"))?;
        io::Write::write_all(&mut file, &bytes).map_err(|error| {
            Error::unavailable(format!("can't write {}: {error}", staged.display()))
        })?;
        let created = create_file(root, path, &staged, read_back).await;
        drop(fs::remove_file(staged));
        return created;
    }
    put_settled(root, path, bytes.clone(), read_back).await
}

async fn put_settled<J, F>(root: &Root, path: &Path, bytes: Bytes, read_back: J) -> Result<Creation>
where
    J: Fn() -> F + Send + Sync,
    F: Future<Output = Result<Option<Creation>>> + Send,
{
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let payload = PutPayload::from_bytes(bytes.clone());
        let Err(put) = root.store().put_opts(path, payload, options.clone()).await else {
            return Ok(Creation::New);
        };
        let put = store_error(&root.full_name(path), put);
        match read_back().await {
            Ok(Some(creation)) => return Ok(creation),
            Ok(None) => last = Some(put),
            // The object can't be read either. The create's error says why.
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(open(put)),
            Err(error) => return Err(error),
        }
    }
    Err(last.map_or_else(|| Error::internal("no attempt was made"), open))
}

/// The error of a create whose result is unknown. The store may have said that the name was
/// taken, but this create itself may have taken the name. Only reading back shows a conflict.
fn open(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Conflict => {
            let words = format!("whether it was created could not be found out: {error}");
            Error::unavailable(words).with_source(error)
        }
        _ => error,
    }
}

/// Gives a staged file the name `target`. The file's bytes reach the disk before its name does.
/// The name and the folders on the way to it reach the disk before this function returns, even if
/// an earlier, interrupted attempt had made them.
fn link_durably(staged: &FilePath, target: &FilePath, root: &FilePath) -> io::Result<()> {
    permissions::like_root(root, staged)?;
    File::open(staged)?.sync_all()?;
    failpoint("create: file synced");
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    permissions::create_folders(root, folder)?;
    let linked = other_disk::link_or_copy(staged, target);
    if let Err(error) = &linked
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return linked;
    }
    failpoint("create: file named");
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(root)) {
        File::open(folder)?.sync_all()?;
    }
    failpoint("create: folders synced");
    // A folder above the root that can't be opened is not ours to make durable.
    if let Some(Ok(above)) = root.parent().map(File::open) {
        above.sync_all()?;
    }
    linked
}

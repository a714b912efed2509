//! Closing generations that a writer may still be writing. The writer that creates a generation's
//! manifest first decides the generation, so a sleeping writer loses to a closing manifest.

use crate::{
    base::{ErrorKind, Result, failpoint},
    model::{ContentHasher, MANIFEST_FORMAT, Manifest, ManifestState},
    store::{ManifestTag, RawFolder, Root, Staging, create_manifest, create_tag, read_manifest},
};

/// Creates the missing manifests up to generation `last`. Each one repeats the content of the
/// newest manifest, or is empty when there is none. `false` when another writer created one of them
/// first.
///
/// # Errors
/// `NotFound` or `Corrupt` when the newest manifest can't be read; `Unavailable` when the store
/// refuses.
pub(crate) async fn close_generations(
    root: &Root,
    staging: &Staging,
    folder: &RawFolder,
    last: u32,
) -> Result<bool> {
    let mut newest = folder.newest().unwrap_or_default();
    while newest < last {
        let attempt = format!("{:016x}", rand::random::<u64>());
        let manifest = match newest {
            0 => Manifest {
                format: MANIFEST_FORMAT,
                generation: 1,
                date: folder.day.to_string(),
                attempt,
                previous: None,
                state: ManifestState::Open,
                absorbed: Vec::new(),
                marks: Vec::new(),
                files: Vec::new(),
                content: ContentHasher::new().finish(),
                remains: Vec::new(),
                definitions: Vec::new(),
                hash: String::new(),
                ids: Vec::new(),
            },
            newest => {
                let found = read_manifest(root, folder.day, newest, None).await?;
                Manifest {
                    format: MANIFEST_FORMAT,
                    generation: newest + 1,
                    attempt,
                    previous: Some(found.hash.clone()),
                    ..Manifest::clone(&found)
                }
            }
        };
        if !create_manifest(root, staging, folder.day, &manifest).await? {
            return Ok(false);
        }
        failpoint("gc.close");
        create_tag(root, staging, folder.day, &ManifestTag::of(&manifest)).await?;
        newest += 1;
    }
    Ok(true)
}

/// Closes the next generation of each folder whose listing shows one being written. Otherwise a
/// rewriting that read rows before an erasure looked for them could bring the rows back
/// afterwards. Gives whether there was any such folder.
///
/// # Errors
/// As [`close_generations`].
pub(crate) async fn close_generations_in_flight(
    root: &Root,
    staging: &Staging,
    folders: &[std::sync::Arc<RawFolder>],
) -> Result<bool> {
    let mut any = false;
    for folder in folders.iter().filter(|folder| folder.is_being_written()) {
        let next = folder.newest().unwrap_or_default() + 1;
        match close_generations(root, staging, folder, next).await {
            Ok(_) => any = true,
            // A damaged day can't be read by any writer either, and stops no other day.
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    Ok(any)
}

//! Makes a batch's leaves visible, each once, however many attempts there are.

use std::sync::{Mutex, PoisonError};

use crate::{
    base::{Error, Result, failpoint},
    ingest::{
        AppendContext,
        pipeline::{parts::StagedLeaf, restage::without_erased},
    },
    model::{BatchId, LeafId},
    store::{
        Creation, LeafFooter, Void, create_file, is_absorbed, leaf_at, leaf_path, newest_manifest,
    },
};

/// Publishes the leaves of one batch.
#[derive(Debug)]
pub(crate) struct Publisher<'a> {
    pub(crate) context: AppendContext<'a>,
    pub(crate) batch: &'a BatchId,
    /// The number of the claim that lists the leaves; 0 when the caller did not name the batch.
    pub(crate) claim: u32,
    /// Whether the batch was claimed before this run.
    pub(crate) retried: bool,
}

impl Publisher<'_> {
    /// Makes the leaf visible, or finds that its rows are there already. An erasure may have
    /// taken the leaf's name before the leaf was published. Then the rows that were not erased
    /// are published under the name of the next attempt.
    ///
    /// # Errors
    /// `Conflict` when another leaf with that id holds other rows, or when the claim was given
    /// up. `Corrupt` when a void that the day's manifest accounts for is gone.
    pub(crate) async fn publish(&self, leaf: &StagedLeaf) -> Result<Creation> {
        let mut erasures = Vec::new();
        let mut rest = leaf.clone();
        for attempt in 0_u32.. {
            let void = match self.try_once(&rest).await? {
                Tried::Published(creation) => return Ok(creation),
                Tried::Void(void) => void,
            };
            failpoint("append.void_met");
            // The leaf may have been published, absorbed and deleted before the void was created.
            if is_absorbed(self.context.root, leaf.day, &rest.footer.id).await? {
                return Ok(Creation::Same);
            }
            let Void::Erased(values) = void else {
                return Err(Error::conflict(format!(
                    "batch `{}` was given up for other rows meanwhile; nothing of it is visible. \
                     Append these under another id",
                    self.batch
                )));
            };
            erasures.push(values);
            let LeafFooter { part, content, .. } = &leaf.footer;
            let of_part = (leaf.day, *part);
            let id = LeafId::of(self.batch, self.claim, of_part, content, attempt + 1);
            // The leaf is published even when no row is left: a claim stands because its first
            // leaf is there.
            rest = without_erased(self.context, leaf, id, &erasures)?;
            failpoint("append.next_try");
        }
        Ok(Creation::Same)
    }

    async fn try_once(&self, leaf: &StagedLeaf) -> Result<Tried> {
        let (root, mine) = (self.context.root, &leaf.footer);
        let path = leaf_path(leaf.day, &mine.id);
        let void_found = Mutex::new(None);
        let read_back = || async {
            let Some(found) = leaf_at(root, &path).await? else { return Ok(None) };
            if let Some(void) = found.void {
                *void_found.lock().unwrap_or_else(PoisonError::into_inner) = Some(void);
                return Ok(Some(Creation::Same));
            }
            self.same(&found, mine, leaf).map(Some)
        };
        let created = if self.retried && self.is_merged(leaf).await? {
            // The leaf may have been deleted since it was absorbed. If it were created again, its
            // rows would not count.
            Creation::Same
        } else if self.retried
            && root.local_dir().is_none()
            && let Some(found) = read_back().await?
        {
            // A retry mostly finds its leaves there, and a look costs less than sending them
            // again. A local disk always goes through the create, which also makes sure that the
            // names of existing leaves are durable.
            found
        } else {
            create_file(root, &path, &leaf.path, read_back).await?
        };
        let void = void_found.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(void) = void {
            return Ok(Tried::Void(void));
        }
        failpoint("append.leaf");
        Ok(Tried::Published(created))
    }

    /// Whether the day's newest manifest accounts for the leaf's rows.
    async fn is_merged(&self, leaf: &StagedLeaf) -> Result<bool> {
        let manifest = newest_manifest(self.context.root, leaf.day).await?;
        let absorbed = manifest.as_ref().and_then(|it| it.absorbed(&leaf.footer.id));
        let Some(absorbed) = absorbed else { return Ok(false) };
        if absorbed.void {
            let path = leaf_path(leaf.day, &leaf.footer.id);
            let found = leaf_at(self.context.root, &path).await?;
            if found.is_some_and(|leaf| leaf.void.is_some()) {
                return Ok(false);
            }
            return Err(Error::corrupt(format!(
                "{}: is gone, or another file is in its place; it was a void, which told what was \
                 erased of batch `{}` before it was published. Copy that void again, or append \
                 these rows under another id; nothing was changed",
                self.context.root.full_name(&path),
                self.batch
            )));
        }
        match &absorbed.content {
            Some(content) if *content != leaf.footer.content => Err(self.other_rows(leaf)),
            _ => Ok(true),
        }
    }

    fn same(&self, found: &LeafFooter, mine: &LeafFooter, leaf: &StagedLeaf) -> Result<Creation> {
        match found.same_rows(mine) {
            true if found.attempt == mine.attempt => Ok(Creation::New),
            true => Ok(Creation::Same),
            false => Err(self.other_rows(leaf)),
        }
    }

    fn other_rows(&self, leaf: &StagedLeaf) -> Error {
        let path = leaf_path(leaf.day, &leaf.footer.id);
        Error::conflict(format!(
            "batch `{}`: {} holds other rows of that batch",
            self.batch,
            self.context.root.full_name(&path)
        ))
    }
}

/// The result of one attempt to publish a leaf.
enum Tried {
    Published(Creation),
    Void(Void),
}

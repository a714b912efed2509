//! One append, from input to visible leaves.

use std::{collections::BTreeSet, fmt, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Format, Input, Rejects, publish, stage::Stage};
use crate::{
    base::{Clock, Day, Error, Result, Settings, step},
    model::{BatchId, Dataset},
    store::{Creation, Root, Staging},
};

/// Leaves published at once: most of the time goes by waiting for the disk or the store.
const CONCURRENT_LEAVES: usize = 16;

/// Told how far an append is: input bytes read, rows read.
type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How to append.
#[derive(Default)]
pub struct AppendOptions {
    /// The batch's id. The same id with the same rows again changes nothing; without one, each
    /// append is a batch of its own and a retry counts twice.
    pub batch: Option<BatchId>,
    /// The form of every input; told by name and content when `None`.
    pub format: Option<Format>,
    /// The text of a field map, and what messages call it.
    pub map: Option<(String, String)>,
    /// What becomes of bad rows.
    pub rejects: Rejects,
    /// Is called now and then.
    pub progress: Option<Progress>,
}

impl fmt::Debug for AppendOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppendOptions").field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// What an append did.
#[derive(Clone, Debug)]
pub struct AppendReport {
    /// The batch's id, the caller's or a random one.
    pub batch: BatchId,
    /// Rows of the batch.
    pub rows: u64,
    /// The days they are of.
    pub days: Vec<Day>,
    /// Its leaves.
    pub leaves: usize,
    /// How many of these this append made visible; fewer where an earlier attempt had.
    pub leaves_new: usize,
    /// Bytes of its leaves.
    pub bytes: u64,
    /// Bad rows that were left out.
    pub rejected: u64,
    /// The first of them: `file:line: field: reason`.
    pub reject_reasons: Vec<String>,
    /// What was odd about rows that were kept, and how many rows.
    pub warnings: Vec<(String, u64)>,
}

/// Appends rows to a root whose dataset is known.
///
/// # Errors
/// `Invalid` for bad rows beyond the limit; `Conflict` for a batch id that stands for other rows;
/// `Unavailable` when disk or store refuse. On any error before publishing nothing is visible;
/// after one while publishing, the same batch again completes it.
pub(crate) async fn append(
    root: &Root,
    dataset: &Arc<Dataset>,
    settings: &Settings,
    clock: &dyn Clock,
    inputs: Vec<Input>,
    options: AppendOptions,
) -> Result<AppendReport> {
    let staging = Arc::new(Staging::open(root, settings, clock)?);
    let named = options.batch.is_some();
    let batch = match options.batch.clone() {
        Some(batch) => batch,
        None => BatchId::try_new(random_name())?,
    };
    let staged = {
        let stage = Stage {
            dataset: Arc::clone(dataset),
            staging: Arc::clone(&staging),
            batch: batch.clone(),
            attempt: random_name(),
            buffer_bytes: settings.append_buffer_bytes,
            today: clock.today(),
            streams: settings.streams.max(1),
        };
        let done = tokio::task::spawn_blocking(move || stage.run(inputs, options)).await;
        done.map_err(|error| Error::internal("reading the input").with_source(error))??
    };
    step("append: staged");
    let retried =
        named && publish::claim(root, &staging, &batch, &staged.content).await? == Creation::Same;
    step("append: claimed");
    let published = staged.leaves.iter().map(|leaf| publish::publish(root, leaf, retried));
    let published: Vec<_> =
        stream::iter(published).buffer_unordered(CONCURRENT_LEAVES).try_collect().await?;
    step("append: published");
    let leaves_new = published.into_iter().filter(|creation| *creation == Creation::New).count();
    let days: BTreeSet<_> = staged.leaves.iter().map(|leaf| leaf.day).collect();
    Ok(AppendReport {
        batch,
        rows: staged.content.rows,
        days: days.into_iter().collect(),
        leaves: staged.leaves.len(),
        leaves_new,
        bytes: staged.leaves.iter().map(|leaf| leaf.bytes).sum(),
        rejected: staged.rejects.count(),
        reject_reasons: staged.rejects.described().to_vec(),
        warnings: staged.warnings,
    })
}

fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

//! One append, from input to visible leaves.

use std::{collections::BTreeSet, fmt, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{
    base::{Clock, Day, Error, Result, Settings},
    ingest::{
        Format, Input, Rejects,
        pipeline::{
            claim::{Claimed, Standing, claim, standing_claim},
            publish::Publisher,
            stage::{Stage, Staged},
        },
    },
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
    /// What was warnings about rows that were kept, and how many rows.
    pub warnings: Vec<(String, u64)>,
}

/// Where rows are appended to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppendContext<'a> {
    /// The root.
    pub(crate) root: &'a Root,
    /// Its dataset.
    pub(crate) dataset: &'a Arc<Dataset>,
    /// Where files are written before they are visible.
    pub(crate) staging: &'a Arc<Staging>,
    /// The number of the dataset's definition, which the root may not have yet.
    pub(crate) definition: u32,
}

/// A root's definitions, as an append needs them.
pub(crate) struct Definitions<'a> {
    /// The dataset as the definition of that number has it: a batch that was claimed before is read
    /// as it was then.
    pub(crate) dataset_of: &'a (dyn Fn(u32) -> Result<Arc<Dataset>> + Send + Sync),
    /// Comes once all rows were read and validated: makes sure that the root has its definition.
    pub(crate) make_ready: Box<MakeReady<'a>>,
}

/// Makes sure that what must be there before anything is published is there.
pub(crate) type MakeReady<'a> = dyn Fn() -> BoxFuture<'a, Result<()>> + Send + Sync + 'a;

/// Appends rows to a root whose dataset is known.
///
/// # Errors
/// `Invalid` for bad rows beyond the limit; `Conflict` for a batch id that stands for other rows;
/// `Unavailable` when disk or store refuse. On any error before publishing nothing is visible;
/// after one while publishing, the same batch again completes it.
pub(crate) async fn append(
    context: AppendContext<'_>,
    settings: &Settings,
    clock: &dyn Clock,
    definitions: Definitions<'_>,
    inputs: Vec<Input>,
    options: AppendOptions,
) -> Result<AppendReport> {
    let AppendContext { staging, .. } = context;
    if let Some(root) = context.root.local_dir() {
        options.rejects.spare_folder(root)?;
    }
    let named = options.batch.is_some();
    let batch = match options.batch.clone() {
        Some(batch) => batch,
        None => BatchId::try_new(random_name())?,
    };
    let standing = if named { standing_claim(context, &batch).await? } else { Standing::default() };
    let mut stage = Stage {
        dataset: Arc::clone(context.dataset),
        staging: Arc::clone(staging),
        batch: batch.clone(),
        claim: named.then_some(standing.next),
        attempt: random_name(),
        buffer_bytes: settings.append_buffer_bytes,
        today: clock.today(),
        streams: settings.streams.max(1),
    };
    let mut definition = context.definition;
    if let Some(claim) = &standing.claim {
        stage.dataset = (definitions.dataset_of)(claim.definition)?;
        (stage.claim, stage.today) = (Some(claim.number), claim.today()?);
        definition = claim.definition;
    }
    let (dataset, rules) = (Arc::clone(&stage.dataset), (definition, stage.today));
    let read = tokio::task::spawn_blocking(move || stage.run(inputs, options)).await;
    let read = read.map_err(|error| Error::internal("reading the input").with_source(error))?;
    let mut staged = read?;
    (definitions.make_ready)().await?;
    let mut report = AppendReport::of(&batch, &staged);
    if staged.content.rows == 0 {
        // Nothing to claim an id for, nor to compare with what it stands for.
        return Ok(report);
    }
    let context = AppendContext { dataset: &dataset, ..context };
    let (claim, retried) = if named {
        let now = (context.definition, clock.today());
        match claim(context, &batch, standing, (rules, now), &mut staged).await? {
            Claimed::New(claim) => (claim, false),
            Claimed::Before(claim) => (claim, true),
            Claimed::Done => return Ok(report),
        }
    } else {
        (0, false)
    };
    let publisher = Publisher { context, batch: &batch, claim, retried };
    let Some((first, others)) = staged.leaves.split_first() else { return Ok(report) };
    // Who gives a claim up takes the first leaf's name: if that is not there, none is.
    let mut creations = vec![publisher.publish(first).await?];
    let others = others.iter().map(|leaf| publisher.publish(leaf));
    let others = stream::iter(others).buffer_unordered(CONCURRENT_LEAVES);
    creations.extend(others.try_collect::<Vec<_>>().await?);
    report.leaves_new = creations.into_iter().filter(|it| *it == Creation::New).count();
    Ok(report)
}

impl AppendReport {
    /// The report of a batch of which nothing is published.
    fn of(batch: &BatchId, staged: &Staged) -> Self {
        let days: BTreeSet<_> = staged.leaves.iter().map(|leaf| leaf.day).collect();
        Self {
            batch: batch.clone(),
            rows: staged.content.rows,
            days: days.into_iter().collect(),
            leaves: staged.leaves.len(),
            leaves_new: 0,
            bytes: staged.leaves.iter().map(|leaf| leaf.bytes).sum(),
            rejected: staged.rejects.count(),
            reject_reasons: staged.rejects.described().to_vec(),
            warnings: staged.warnings.clone(),
        }
    }
}

fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

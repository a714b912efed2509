//! One append, from input to visible leaves.

use std::{collections::BTreeSet, fmt, sync::Arc};

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{
    base::{Clock, Day, Error, Result, Settings},
    ingest::{
        Format, Input, Rejects,
        pipeline::{
            claim::{Claimed, Standing, claim, standing_claim},
            prices::PricesFound,
            publish::Publisher,
            seen::SourceRead,
            stage::{Stage, Staged},
        },
    },
    model::{BatchId, Dataset},
    prices::PriceTable,
    store::{Creation, Root, Staging},
};

/// How many leaves are published at once. Most of the time is spent waiting for the disk or the
/// store.
const CONCURRENT_LEAVES: usize = 16;

/// Callback that reports progress: input bytes read before decompression, and rows read.
type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// Options of an append.
#[derive(Default)]
pub struct AppendOptions {
    /// The batch's id. Appending the same rows again under the same id changes nothing. With
    /// `None`, each append is a batch of its own, and a retry counts its rows twice.
    pub batch: Option<BatchId>,
    /// The format of every input. With `None`, an input's name decides, or else its content.
    pub format: Option<Format>,
    /// The text of a field map, and its name in messages. Beside `from`, the map's columns replace
    /// those of the source.
    pub map: Option<(String, String)>,
    /// The name of the source that all inputs are read as. With `None`, and without a map, an
    /// input is read by the names of its fields, or by the source that its first records show.
    pub from: Option<String>,
    /// Columns with the same value in every row, each with that value.
    pub fixed: Vec<(String, String)>,
    /// The time of records that have none of their own, for example
    /// `2026-01-24T18:00:00Z`.
    pub time: Option<String>,
    /// Whether the input is only read and checked, and nothing is appended.
    pub dry_run: bool,
    /// The price table by which costs are computed. With `None`, the table that comes with the
    /// program.
    pub prices: Option<Arc<PriceTable>>,
    /// How bad rows are handled.
    pub rejects: Rejects,
    /// Called after each block of the input.
    pub progress: Option<Progress>,
}

impl fmt::Debug for AppendOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppendOptions").field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// The result of an append.
#[derive(Clone, Debug)]
pub struct AppendReport {
    /// The batch's id: the caller's or a random one.
    pub batch: BatchId,
    /// Number of records that were read.
    pub records: u64,
    /// The sources that inputs were read as.
    pub sources: Vec<SourceRead>,
    /// Files of folders that were left out: no source recognizes anything in them.
    pub left_out: Vec<String>,
    /// Why rows were left out that are not calls, each with the number of rows.
    pub skipped: Vec<(String, u64)>,
    /// Names of fields that nothing reads, each with the name of the column that may be meant.
    pub ignored: Vec<(String, Option<String>)>,
    /// The first rows, at most five.
    pub first_rows: Vec<RecordBatch>,
    /// Number of rows in the batch, without bad rows.
    pub rows: u64,
    /// The UTC days of the rows, in ascending order.
    pub days: Vec<Day>,
    /// How many rows are copies of events that the day's other files, or earlier rows of the batch,
    /// hold. Of all copies of an event one counts.
    pub copies: u64,
    /// How many rows have a price; `None` when the dataset has no computed prices.
    pub prices: Option<PricesFound>,
    /// Number of the batch's leaves.
    pub leaves: usize,
    /// How many of the leaves this append made visible. Fewer than `leaves` when an earlier
    /// attempt had made some visible.
    pub leaves_new: usize,
    /// Size of the leaves, in bytes.
    pub bytes: u64,
    /// Number of bad rows that were left out.
    pub rejected: u64,
    /// Descriptions of the first bad rows: `file:line: field: reason`.
    pub reject_reasons: Vec<String>,
    /// Warnings about accepted rows, each with the number of rows.
    pub warnings: Vec<(String, u64)>,
}

/// The root and the dataset that rows are appended to.
#[derive(Clone, Copy)]
pub(crate) struct AppendContext<'a> {
    /// The root.
    pub(crate) root: &'a Root,
    /// The root's dataset.
    pub(crate) dataset: &'a Arc<Dataset>,
    /// Where files are written before they are visible.
    pub(crate) staging: &'a Arc<Staging>,
    /// A session over the root.
    pub(crate) session: &'a SessionContext,
    /// The number of the dataset's definition. The root may not have that definition yet.
    pub(crate) definition: u32,
}

impl fmt::Debug for AppendContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppendContext").field("root", self.root).finish_non_exhaustive()
    }
}

/// Access to a root's definitions during an append.
pub(crate) struct Definitions<'a> {
    /// Gives the dataset under the definition with that number. A batch that was claimed before
    /// is read under its claim's definition.
    pub(crate) dataset_of: &'a (dyn Fn(u32) -> Result<Arc<Dataset>> + Send + Sync),
    /// Called once all rows have been read and validated. Makes sure that the root has its
    /// definition.
    pub(crate) make_ready: Box<MakeReady<'a>>,
}

/// Makes sure that everything exists that must exist before a leaf is published.
pub(crate) type MakeReady<'a> = dyn Fn() -> BoxFuture<'a, Result<()>> + Send + Sync + 'a;

/// Appends rows to a root whose dataset is known.
///
/// # Errors
/// `Invalid` when more rows are bad than the limit allows; `Conflict` when the batch id stands
/// for other rows; `Unavailable` when the disk or the store refuses. An error before publishing
/// leaves nothing visible. After an error during publishing, appending the batch again under its
/// id completes it.
pub(crate) async fn append(
    context: AppendContext<'_>,
    settings: &Settings,
    clock: &dyn Clock,
    definitions: Definitions<'_>,
    inputs: Vec<Input>,
    options: AppendOptions,
) -> Result<AppendReport> {
    if let Some(root) = context.root.local_dir() {
        options.rejects.spare_folder(root)?;
    }
    let named = options.batch.is_some();
    let batch = match options.batch.clone() {
        Some(batch) => batch,
        None => BatchId::try_new(random_name())?,
    };
    let standing = if named { standing_claim(context, &batch).await? } else { Standing::default() };
    let mut stage = stage(context, settings, clock, (&batch, named.then_some(standing.next)));
    let mut definition = context.definition;
    if let Some(claim) = &standing.claim {
        stage.dataset = (definitions.dataset_of)(claim.definition)?;
        (stage.claim, stage.today) = (Some(claim.number), claim.today()?);
        definition = claim.definition;
    }
    let (dataset, rules) = (Arc::clone(&stage.dataset), (definition, stage.today));
    let dry_run = options.dry_run;
    let read = tokio::task::spawn_blocking(move || stage.run(inputs, options)).await;
    let read = read.map_err(|error| Error::internal("reading the input").with_source(error))?;
    let mut staged = read?;
    let mut report = AppendReport::of(&batch, &staged);
    if dry_run {
        return Ok(report);
    }
    (definitions.make_ready)().await?;
    if staged.content.rows == 0 {
        // There are no rows to claim the id for, or to compare with the rows that the id stands
        // for.
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
    // A run that gives a claim up takes the first leaf's name. So the other leaves are published
    // only once the first one is there.
    let mut creations = vec![publisher.publish(first).await?];
    let others = others.iter().map(|leaf| publisher.publish(leaf));
    let others = stream::iter(others).buffer_unordered(CONCURRENT_LEAVES);
    creations.extend(others.try_collect::<Vec<_>>().await?);
    report.leaves_new = creations.into_iter().filter(|it| *it == Creation::New).count();
    Ok(report)
}

/// How a batch is read under the current definition. `claim` is the number of its claim, if it has
/// one.
fn stage(
    context: AppendContext<'_>,
    settings: &Settings,
    clock: &dyn Clock,
    (batch, claim): (&BatchId, Option<u32>),
) -> Stage {
    Stage {
        dataset: Arc::clone(context.dataset),
        staging: Arc::clone(context.staging),
        batch: batch.clone(),
        claim,
        attempt: random_name(),
        buffer_bytes: settings.append_buffer_bytes,
        today: clock.today(),
        streams: settings.streams.max(1),
        root: context.root.clone(),
        session: context.session.clone(),
    }
}

impl AppendReport {
    /// The report of a staged batch before any of its leaves is published.
    fn of(batch: &BatchId, staged: &Staged) -> Self {
        let days: BTreeSet<_> = staged.leaves.iter().map(|leaf| leaf.day).collect();
        Self {
            batch: batch.clone(),
            records: staged.records,
            sources: staged.sources.clone(),
            left_out: staged.left_out.clone(),
            skipped: staged.skipped.clone(),
            ignored: staged.ignored.clone(),
            first_rows: staged.first_rows.clone(),
            rows: staged.content.rows,
            days: days.into_iter().collect(),
            copies: staged.leaves.iter().map(|leaf| leaf.copies).sum(),
            prices: staged.prices.clone(),
            leaves: staged.leaves.len(),
            leaves_new: 0,
            bytes: staged.leaves.iter().map(|leaf| leaf.bytes).sum(),
            rejected: staged.rejects.count(),
            reject_reasons: staged.rejects.described(),
            warnings: staged.warnings.clone(),
        }
    }
}

fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

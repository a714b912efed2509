//! Deleting files that nothing has referred to for a grace period, by the store's own clock.
//!
//! No file is deleted because of its age alone. A day's newest manifest determines which raw
//! files are dead. Before any of them is deleted, all files that the manifest names are read
//! whole, so that the rows have a readable copy. Files that no manifest names yet may have a
//! sleeping writer. So their generation is closed first: the writer that creates the manifest
//! first decides, and the sleeping writer loses. Hints are nobody's last copy.

mod hints;
mod raw;
mod traces;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use self::{raw::Dead, traces::Traces};
use super::generation::{checks::check_named, close::close_generations, overtaken::unless_changed};
use crate::{
    base::{Day, Error, ErrorKind, Result, Span, failpoint},
    jobs::JobContext,
    model::{Freshness, Leaf, LeafDay, Manifest},
    store::{
        ManifestTag, RawFolder, Serving, StoreClock, create_tag, delete_file, list_raw,
        list_segments, live_days, load, lost_file, read_footer,
    },
};

/// How long superseded files stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcOptions {
    /// How long a file stays after its replacement appeared: longer than any query takes.
    pub grace: Duration,
    /// How long files of a generation without a manifest stay: longer than a compaction takes. A
    /// shorter time can cost a running writer its work, but never a row. They stay for `grace` at
    /// least.
    pub abandoned: Duration,
    /// Only report what would be deleted.
    pub dry_run: bool,
}

impl GcOptions {
    /// The default of [`abandoned`](Self::abandoned): how long files of a writer that may still run
    /// stay.
    pub const ABANDONED: Duration = Duration::from_hours(24);
}

impl Default for GcOptions {
    /// A grace period of two days, and no dry run.
    fn default() -> Self {
        Self { grace: Duration::from_hours(48), abandoned: Self::ABANDONED, dry_run: false }
    }
}

/// A file that nothing refers to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The file's full name.
    pub file: String,
    /// The file's size, in bytes.
    pub bytes: u64,
}

/// Deletes superseded files. Calls `report` for each. A day that can't be read, or whose counted
/// files aren't whole, keeps all of its files and doesn't stop the other days. A day whose raw
/// files are all gone keeps its segments, which alone show that the day was there.
///
/// # Errors
/// `Unavailable` when the store refuses; at the end, the error of the first day that was left
/// out.
pub(crate) async fn gc(
    context: JobContext<'_>,
    options: &GcOptions,
    mut report: impl FnMut(&Superseded) + Send,
) -> Result<()> {
    let Some(days) = Span::ALL.day_bounds() else { return Ok(()) };
    let root = context.root;
    let now = StoreClock::read(root, context.staging, context.clock).await?.now;
    let before = earlier(now, options.grace)?;
    let abandoned = earlier(now, options.abandoned.max(options.grace))?;
    let collector = Collector { context, before, abandoned, dry_run: options.dry_run };
    let folders = list_raw(root, days).await?;
    let live = live_days(root, &folders).await?;
    let mut damaged = Vec::new();
    for (folder, live) in folders.iter().zip(&live) {
        if let Err(error) = collector.collect(folder, live, &mut report).await {
            // When another writer changed the day meanwhile, the next run sees what is dead.
            match unless_changed(root, live, error).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => damaged.push((live.day, error)),
            }
        } else if let Some(lost) = live.lost.first() {
            damaged.push((live.day, lost_file(root, lost)));
        }
    }
    // If a day's rows aren't whole or not there, a hint may be the last trace of them.
    let mut whole = days_with_rows(&live);
    whole.retain(|day| damaged.iter().all(|(damaged, _)| damaged != day));
    let is_whole = |day: &Day| whole.contains(day);
    let traces = Traces::new(root, &live);
    collector.collect_hints(&live, (is_whole, &traces), &mut report).await?;
    match damaged.into_iter().next() {
        None => Ok(()),
        Some((day, first)) => Err(first.about(format!("day {day}"))),
    }
}

/// The instant that long before another one, or the first instant of all.
fn earlier(now: DateTime<Utc>, by: Duration) -> Result<DateTime<Utc>> {
    let by = chrono::Duration::from_std(by);
    let by = by.map_err(|error| Error::invalid("the grace period").with_source(error))?;
    Ok(now.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC))
}

fn days_with_rows(live: &[Arc<LeafDay>]) -> BTreeSet<Day> {
    let here = live.iter().filter(|live| live.base.is_some() || !live.leaves.is_empty());
    here.map(|live| live.day).collect()
}

struct Collector<'a> {
    context: JobContext<'a>,
    /// The grace period is over for files that are as old as this, or older.
    before: DateTime<Utc>,
    /// Files that are as old as this, or older, have no writer that still runs.
    abandoned: DateTime<Utc>,
    dry_run: bool,
}

impl Collector<'_> {
    /// Deletes the dead files among a day's raw files.
    async fn collect(
        &self,
        folder: &RawFolder,
        live: &LeafDay,
        report: &mut (impl FnMut(&Superseded) + Send),
    ) -> Result<()> {
        let JobContext { root, staging, .. } = self.context;
        if let Some(damage) = &live.damage {
            return Err(damage.to_error());
        }
        failpoint("gc.list_data");
        let manifest = folder.read_newest(root).await?;
        failpoint("gc.list_manifests");
        let times = (self.before, self.abandoned);
        let dead = Dead::of(folder, manifest.as_deref(), times);
        if !self.dry_run
            && folder.newest_tag().is_none()
            && let Some(manifest) = &manifest
        {
            create_tag(root, staging, folder.day, &ManifestTag::of(manifest)).await?;
        }
        if dead.needs_proof()
            && let Some(manifest) = &manifest
        {
            check_named(root, folder.day, manifest).await?;
            failpoint("gc.prove");
        }
        for file in &dead.files {
            self.delete(file, report).await?;
        }
        for leaf in &dead.leaves {
            self.delete_leaf(leaf, manifest.as_deref(), report).await?;
        }
        if dead.unfinished.is_empty() {
            return Ok(());
        }
        // Another writer created the generation's manifest first: the next run sees what is dead.
        if !self.dry_run && !close_generations(root, staging, folder, dead.close).await? {
            return Ok(());
        }
        for file in &dead.unfinished {
            self.delete(file, report).await?;
        }
        Ok(())
    }

    /// Deletes a leaf that was absorbed, if the file is that leaf: its footer must have the rows
    /// that the manifest has for it. A void stays, and so does a file that another tool put in
    /// its place.
    async fn delete_leaf(
        &self,
        leaf: &Leaf,
        manifest: Option<&Manifest>,
        report: &mut (impl FnMut(&Superseded) + Send),
    ) -> Result<()> {
        let root = self.context.root;
        let absorbed = manifest.and_then(|manifest| manifest.absorbed(&leaf.id));
        let content = absorbed.and_then(|absorbed| absorbed.content.as_ref());
        let footer = match read_footer(root, &leaf.file.location).await {
            Ok(footer) => footer,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                root.warn(&format!("{error}; it was merged before, and stays where it is"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let is_it = footer.as_ref().and_then(|footer| footer.leaf()).is_some_and(|found| {
            found.id == leaf.id
                && found.void.is_none()
                && content.is_none_or(|content| *content == found.content)
        });
        if is_it { self.delete(&leaf.file, report).await } else { Ok(()) }
    }

    /// Deletes the hints that nobody needs.
    async fn collect_hints(
        &self,
        live: &[Arc<LeafDay>],
        (is_whole, traces): (impl Fn(&Day) -> bool + Send, &Traces<'_>),
        report: &mut (impl FnMut(&Superseded) + Send),
    ) -> Result<()> {
        let JobContext { root, dataset, .. } = self.context;
        let Some(days) = Span::ALL.day_bounds() else { return Ok(()) };
        let serving = load(root, Span::ALL, dataset.all_rollups(), Serving::Days).await?;
        for rollup in dataset.all_rollups() {
            let listed = list_segments(root, rollup, days).await?;
            // A previous definition's segment is deleted once the present definition's segment
            // serves.
            let present = dataset.rollups().iter();
            let present =
                present.filter(|it| rollup.is_previous() && it.folder() == rollup.folder());
            let present: Vec<_> = present.collect();
            let replacing = |day| {
                let mut found = present.iter().map(|it| serving.freshness(it.name(), day));
                found.find(|it| matches!(it, Freshness::Current(_)))
            };
            for month in &listed.months {
                let mut of_month = live.iter().map(|live| live.day);
                if of_month.any(|day| month.period.contains(day) && !is_whole(&day)) {
                    continue;
                }
                let replaces = |day| replacing(day).is_some();
                for segment in hints::useless_of_month(live, month, replaces, self.before) {
                    self.delete(&segment.file, report).await?;
                }
            }
            for segments in &listed.days {
                let is_damaged = serving.damaged(segments.period.span()).next().is_some();
                if is_damaged || !is_whole(&segments.period.first()) {
                    continue;
                }
                let day = segments.period.first();
                let found = serving.freshness(rollup.name(), day);
                let found = replacing(day).unwrap_or(found);
                for segment in hints::useless_of_day(found, segments, self.before) {
                    let is_kept = live.iter().any(|live| {
                        let mut remains = live.remains.values();
                        // A segment that remains of a day purged in format 1 is the last copy of
                        // its rows.
                        remains.any(|it| it.file.location == segment.file.location)
                            || hints::tells_of_purged(live, rollup, segment)
                    });
                    if !is_kept && !traces.is_one(segment).await? {
                        self.delete(&segment.file, report).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn delete(
        &self,
        file: &ObjectMeta,
        report: &mut (impl FnMut(&Superseded) + Send),
    ) -> Result<()> {
        if !self.dry_run {
            delete_file(self.context.root, &file.location).await?;
            failpoint("gc.delete");
        }
        let name = self.context.root.full_name(&file.location);
        tracing::info!(file = name, bytes = file.size, dry_run = self.dry_run, "superseded");
        report(&Superseded { file: name, bytes: file.size });
        Ok(())
    }
}

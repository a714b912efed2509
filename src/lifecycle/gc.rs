//! Deleting what nothing refers to any more, once that has been so for a grace period.
//!
//! 1. A leaf that the newest manifest accounts for; a compacted file or a manifest that it
//!    replaced.
//! 2. A compacted file of a later generation than the newest manifest's was left behind by a
//!    compaction that died, or one that still runs. The next generation is created first, which
//!    says the same as the last: from then on nobody can refer to that file, however slow he is.
//! 3. A segment in whose place its rollup has one of exactly the day's leaves; one that lacks
//!    leaves which can't be read alone any more.
//! 4. A month's segment whose days have changed.
//! 5. A segment of an earlier definition in whose place the present one has a current one, unless
//!    raw rows of the day were purged; and an earlier definition of which no segment is left.
//!
//! The grace period counts from when the newer file appeared: every snapshot taken since then
//! prefers it. A segment that could still serve a day without a current one stays, however old.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use crate::{
    base::{Clock, Day, Error, Result, Settings, Span, step},
    model::{ContentHasher, Dataset, MANIFEST_FORMAT, Manifest, ManifestState, Rollup},
    store::{
        LeafDay, ManifestTag, Period, RawFolder, Root, SegmentDay, SegmentFile, Staging,
        check_file, create_manifest, create_tag, delete_file, list_definitions, list_raw,
        list_segments, live_days, month_fingerprint, read_kept_definition, read_manifest,
    },
};

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcOptions {
    /// How long a file stays after the one in its place appeared: longer than any question takes.
    pub grace: Duration,
    /// Only say what would be deleted.
    pub dry_run: bool,
}

impl Default for GcOptions {
    /// Two days, and delete.
    fn default() -> Self {
        Self { grace: Duration::from_hours(48), dry_run: false }
    }
}

/// A file that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// Its full name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// Deletes superseded files, telling `report` of each.
///
/// # Errors
/// What the store says; what was deleted until then stays deleted, and the rest is found again.
pub(crate) async fn gc(
    root: &Root,
    dataset: &Dataset,
    settings: &Settings,
    clock: &dyn Clock,
    options: &GcOptions,
    mut report: impl FnMut(&Superseded) + Send,
) -> Result<()> {
    let Some(days) = Span::ALL.day_bounds() else { return Ok(()) };
    let grace = chrono::Duration::from_std(options.grace);
    let grace = grace.map_err(|error| Error::invalid("the grace period").with_source(error))?;
    let before = clock.now().checked_sub_signed(grace).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let collector = Collector { root, before, dry_run: options.dry_run };
    let folders = list_raw(root, days).await?;
    let live = live_days(root, &folders).await?;
    let mut staging = None;
    for (folder, live) in folders.iter().zip(&live) {
        let untagged = folder.newest().is_some() && folder.newest_tag().is_none();
        let orphans = collector.orphans(folder);
        if !options.dry_run && (untagged || !orphans.is_empty()) {
            let staging = match &staging {
                Some(staging) => staging,
                None => staging.insert(Staging::open(root, settings, clock)?),
            };
            if untagged && let Some(manifest) = folder.read_newest(root).await? {
                create_tag(root, staging, folder.day, &ManifestTag::of(&manifest)).await?;
            }
            if !orphans.is_empty() && !close_generation(root, staging, folder, &orphans).await? {
                // It was no orphan, or another collector closed the generation: the next run sees.
                continue;
            }
        }
        for file in collector.replaced(folder, live).into_iter().chain(orphans) {
            collector.delete(&file, &mut report).await?;
        }
    }
    // Days that a rollup's present definition serves, by its folder.
    let mut served: HashMap<&str, BTreeSet<Day>> = HashMap::new();
    let mut empty = BTreeSet::new();
    for rollup in dataset.all_rollups() {
        let listed = list_segments(root, rollup, days).await?;
        let mut all = listed.days.iter().chain(&listed.months);
        if rollup.is_earlier() && all.all(|listed| listed.segments.is_empty()) {
            empty.insert(identity(rollup));
        }
        for month in &listed.months {
            for segment in collector.changed_months(month, &live) {
                collector.delete(&segment.file, &mut report).await?;
            }
        }
        let mut segments = listed.days.into_iter().peekable();
        for live in &live {
            while segments.next_if(|segments| segments.day < live.day).is_some() {}
            let Some(segments) = segments.next_if(|found| found.day == live.day) else { continue };
            let of_day = &segments.segments;
            let current = of_day.iter().find(|segment| segment.fingerprint == live.fingerprint);
            // For the grace period, too: every snapshot since then has it.
            let current = current.filter(|segment| collector.is_old(&segment.file));
            if !rollup.is_earlier() && current.is_some() {
                served.entry(rollup.folder()).or_default().insert(live.day);
            }
            // What an earlier definition has beside it can be the only trace of purged rows.
            let is_served =
                served.get(rollup.folder()).is_some_and(|days| days.contains(&live.day));
            let useless = if rollup.is_earlier() && is_served && !live.is_purged() {
                of_day.iter().filter(|segment| collector.is_old(&segment.file)).cloned().collect()
            } else {
                collector.useless(live, of_day, current).await?
            };
            for segment in useless {
                collector.delete(&segment.file, &mut report).await?;
            }
        }
    }
    if !empty.is_empty() {
        for file in collector.empty_definitions(dataset, &empty).await? {
            collector.delete(&file, &mut report).await?;
        }
    }
    Ok(())
}

/// What tells a rollup of one definition from those of others.
fn identity(rollup: &Rollup) -> (String, String) {
    (rollup.folder().to_owned(), rollup.definition_hash().to_owned())
}

/// Makes the generation of those files one that says what the last one did.
async fn close_generation(
    root: &Root,
    staging: &Staging,
    folder: &RawFolder,
    orphans: &[ObjectMeta],
) -> Result<bool> {
    let mut newest = folder.newest().unwrap_or_default();
    let of_orphans = folder.compacted.iter();
    let of_orphans = of_orphans
        .filter(|file| orphans.iter().any(|orphan| orphan.location == file.file.location));
    let last = of_orphans.map(|file| file.generation).max().unwrap_or(newest);
    while newest < last {
        let manifest = match newest {
            0 => Manifest {
                format: MANIFEST_FORMAT,
                generation: 1,
                date: folder.day.to_string(),
                attempt: format!("{:016x}", rand::random::<u64>()),
                state: ManifestState::Open,
                leaves: Vec::new(),
                files: Vec::new(),
                content: ContentHasher::new().finish(),
                segments: Vec::new(),
            },
            newest => {
                let manifest = read_manifest(root, folder.day, newest, None).await?;
                Manifest { generation: newest + 1, ..Manifest::clone(&manifest) }
            }
        };
        if !create_manifest(root, staging, folder.day, &manifest).await? {
            return Ok(false);
        }
        step("gc: generation closed");
        newest += 1;
    }
    Ok(true)
}

struct Collector<'a> {
    root: &'a Root,
    /// What is as old as this is out of its grace period.
    before: DateTime<Utc>,
    dry_run: bool,
}

impl Collector<'_> {
    fn is_old(&self, file: &ObjectMeta) -> bool {
        file.last_modified < self.before
    }

    async fn delete(
        &self,
        file: &ObjectMeta,
        report: &mut (impl FnMut(&Superseded) + Send),
    ) -> Result<()> {
        if !self.dry_run {
            step("gc: before a file is deleted");
            delete_file(self.root, &file.location).await?;
            step("gc: a file was deleted");
        }
        let name = self.root.full_name(&file.location);
        report(&Superseded { file: name, bytes: file.size });
        Ok(())
    }

    /// Old compacted files of generations that don't exist.
    fn orphans(&self, folder: &RawFolder) -> Vec<ObjectMeta> {
        let newest = folder.newest().unwrap_or_default();
        let files = folder.compacted.iter().filter(|file| file.generation > newest);
        files.map(|file| &file.file).filter(|file| self.is_old(file)).cloned().collect()
    }

    /// Raw files in whose place the newest manifest has others, and older manifests.
    fn replaced(&self, folder: &RawFolder, live: &LeafDay) -> Vec<ObjectMeta> {
        if !self.manifest_is_old(folder) {
            return Vec::new();
        }
        let newest = folder.newest().unwrap_or_default();
        let counts =
            |file: &ObjectMeta| live.leaves.iter().any(|leaf| leaf.file.location == file.location);
        let leaves = folder.leaves.iter().map(|leaf| &leaf.file);
        let compacted = folder.compacted.iter().filter(|file| file.generation <= newest);
        let manifests = folder.manifests.iter().filter(|(generation, _)| *generation < newest);
        let tags = folder.tags.iter().filter(|(tag, _)| tag.generation < newest);
        let files = leaves.chain(compacted.map(|file| &file.file)).filter(|file| !counts(file));
        let files = files.chain(manifests.map(|(_, file)| file)).chain(tags.map(|(_, file)| file));
        files.filter(|file| self.is_old(file)).cloned().collect()
    }

    /// Whether the newest manifest has been there for the grace period.
    fn manifest_is_old(&self, folder: &RawFolder) -> bool {
        folder.newest_file().is_some_and(|file| self.is_old(file))
    }

    /// The old segments of a month that are of other days than it has now.
    fn changed_months(&self, month: &SegmentDay, live: &[Arc<LeafDay>]) -> Vec<Arc<SegmentFile>> {
        let Some((first, next)) = Period::Month.around(month.day) else { return Vec::new() };
        let days = live.iter().filter(|live| live.day >= first && live.day < next);
        let now = month_fingerprint(days.map(Arc::as_ref));
        let old = month.segments.iter().filter(|segment| self.is_old(&segment.file));
        old.filter(|segment| segment.fingerprint != now).cloned().collect()
    }

    /// The segments that no question will read again, where that one is the day's current one.
    async fn useless(
        &self,
        live: &LeafDay,
        found: &[Arc<SegmentFile>],
        current: Option<&Arc<SegmentFile>>,
    ) -> Result<Vec<Arc<SegmentFile>>> {
        let others = found.iter().filter(|segment| segment.fingerprint != live.fingerprint);
        let others: Vec<_> = others.filter(|segment| self.is_old(&segment.file)).cloned().collect();
        if others.is_empty() {
            return Ok(others);
        }
        let may_go = match current {
            // The last copy of these numbers must be whole before another one goes.
            Some(current) if live.is_purged() => {
                check_file(self.root, &current.file).await?.is_ok()
            }
            Some(_) => true,
            None => {
                // Nothing is loose: what isn't of exactly the manifest's leaves can't serve.
                let base = live.base.as_ref().filter(|_| live.loose().next().is_none());
                let manifest = base.and_then(|base| base.listed.as_ref());
                manifest.is_some_and(|file| self.is_old(file))
            }
        };
        Ok(if may_go { others } else { Vec::new() })
    }

    /// The old files of definitions whose rollups are the present one's, but for these.
    async fn empty_definitions(
        &self,
        dataset: &Dataset,
        empty: &BTreeSet<(String, String)>,
    ) -> Result<Vec<ObjectMeta>> {
        let present: BTreeSet<_> = dataset.rollups().iter().map(identity).collect();
        let mut useless = Vec::new();
        for file in list_definitions(self.root).await? {
            let text = read_kept_definition(self.root, &file.location).await?;
            let found = Dataset::parse(&text, &self.root.full_name(&file.location))?;
            let rollups: Vec<_> = found.rollups().iter().map(identity).collect();
            let known = |rollup| present.contains(rollup) || empty.contains(rollup);
            let is_useless =
                rollups.iter().all(known) && !rollups.iter().all(|it| present.contains(it));
            if is_useless && self.is_old(&file) {
                useless.push(file);
            }
        }
        Ok(useless)
    }
}

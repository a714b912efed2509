//! Purging a day: the raw rows are replaced by one file for each rollup in the day's own folder,
//! the remains. The manifest names these files.
//!
//! Purging computes the remains itself, from raw rows whose bytes were checked. The day's
//! segments below `rollups/` are hints and are not used. A late leaf on a purged day is a loose
//! leaf like any other, read raw beside the remains. The next purge absorbs the late leaf.

use std::sync::Arc;

use datafusion::{execution::SendableRecordBatchStream, logical_expr::Expr};
use futures::StreamExt as _;

use super::super::{
    generation::{
        checks::{check_columns_known, check_days, check_sources, check_still_absorbed},
        next::{Generation, NextManifest, absorb, location},
        overtaken::unless_changed,
    },
    rollup::{Proofs, RawRows, check_rows, group_rows, merge_with_late, rows_of},
};
use super::{events::events_of_day, remains::rollup_of};
use crate::{
    base::{Day, Error, Result},
    jobs::JobContext,
    model::{
        Absorbed, ContentHash, ContentHasher, Leaf, LeafDay, LeafId, Manifest, ManifestFile,
        ManifestState, Remains, Rollup, SegmentFile,
    },
    store::{
        Definitions, FileKind, RemainsFooter, SegmentWriter, SetFooter, check_newest_definition,
        remains_name, whole_file,
    },
};

/// A purge of a day; or on a purged day, an erasure, or the end of what remains for some rollups.
pub(crate) struct Purging<'a> {
    pub(crate) context: JobContext<'a>,
    pub(crate) live: &'a LeafDay,
    pub(crate) definitions: &'a Definitions,
    /// The condition on rows to leave out.
    pub(crate) without: Option<&'a Expr>,
    /// The definition hashes of the rollups whose remains are dropped.
    pub(crate) dropped: &'a [String],
}

/// The rows that remain for one rollup, and the index of the rollup's definition in the manifest.
struct Rows {
    rollup: Rollup,
    definition: usize,
    behind: Behind,
    stream: SendableRecordBatchStream,
}

impl Rows {
    /// The events of a day, of the leaves and of what remains already.
    async fn of_events(
        context: JobContext<'_>,
        day: Day,
        (kept, definition): ((&Rollup, Option<&Arc<SegmentFile>>), usize),
        leaves: &[Arc<Leaf>],
    ) -> Result<Self> {
        let (stream, events) = events_of_day(context, day, kept, leaves).await?;
        Ok(Self { rollup: kept.0.clone(), definition, behind: Behind::Known(events), stream })
    }
}

/// The number of raw rows behind a stream.
#[derive(Clone, Copy)]
enum Behind {
    /// The groups of the stream tell it. They are checked to be of the day.
    Told,
    /// The groups leave copies out that don't count. They are checked to be of the day.
    WithCopies(u64),
    Known(u64),
}

impl Purging<'_> {
    /// Writes the remains and creates the manifest that names them. `false` when another writer
    /// changed the day meanwhile; nothing was changed then.
    ///
    /// # Errors
    /// `Corrupt` when raw rows or the present remains aren't as they were written; `Conflict`
    /// when no rollup would answer, or when the definition was replaced meanwhile; `Unavailable`
    /// when the disk or the store refuses.
    pub(crate) async fn run(self) -> Result<bool> {
        let generation = Generation::begin(self.context, self.live).await?;
        let next = match Box::pin(self.write(&generation)).await {
            Ok(next) => next,
            Err(why) => {
                let why = generation.give_up(why).await;
                return unless_changed(self.context.root, self.live, why).await.map(|()| false);
            }
        };
        // A purge must commit before a newer definition appears than the one that the purge read.
        if let Err(why) = check_newest_definition(self.context.root, self.definitions.number).await
        {
            return Err(generation.give_up(why).await);
        }
        generation.commit(next).await
    }

    async fn write(&self, generation: &Generation<'_>) -> Result<NextManifest> {
        // What only drops remains takes no late rows in.
        let takes_rows = self.dropped.is_empty() || self.without.is_some();
        let leaves = self.live.leaves.iter().filter(|leaf| takes_rows && !leaf.is_purged());
        let leaves: Vec<_> = leaves.cloned().collect();
        check_columns_known(self.context, &leaves).await?;
        check_sources(self.context, generation.base.as_deref(), &leaves).await?;
        let taken = absorb(self.context, &leaves).await?;
        let proofs = Proofs::of(self.context, &leaves).await?;
        let (rows, definitions) = match &generation.base {
            Some(base) if self.live.is_purged() => self.added(base, &leaves, &proofs).await?,
            _ => {
                (self.grouped(&leaves, &proofs).await?, vec![self.definitions.newest.text.clone()])
            }
        };
        self.check_answering(&rows)?;
        // Segments below `rollups/` that were built before are then of other leaves.
        let is_changed = self.without.is_some() || !self.dropped.is_empty();
        let mark = is_changed.then(|| LeafId::of_change(&generation.attempt, self.live.day));
        let marks: Vec<_> = mark.into_iter().collect();
        let content = content(generation.base.as_deref(), &taken)?;
        let set = SetFooter {
            files: rows.len(),
            from: generation.previous_number(),
            absorbed: generation.absorbed(&taken),
            marks: generation.marks(&marks),
            content: content.clone(),
        };
        let remains = Box::pin(self.create(generation, rows, &definitions, set)).await?;
        check_still_absorbed(self.context, &leaves, &taken).await?;
        let (state, files) = (ManifestState::Purged, Vec::new());
        Ok(NextManifest { state, taken, marks, files, content, remains, definitions })
    }

    /// Checks that a rollup will answer for the day, and for all of its rows.
    fn check_answering(&self, rows: &[Rows]) -> Result<()> {
        let answering: Vec<_> = rows.iter().filter(|rows| !rows.rollup.is_of_events()).collect();
        if answering.is_empty() {
            return Err(Error::conflict("no rollup would answer for it"));
        }
        if self.without.is_none() && answering.iter().all(|rows| rows.rollup.filter().is_some()) {
            return Err(Error::conflict(
                "each rollup has a filter, and nothing would tell of the rows that none of them \
                 counts; nothing was changed. Add a rollup without a filter to the definition",
            ));
        }
        Ok(())
    }

    /// The rows for each rollup of the newest definition, grouped from raw rows.
    async fn grouped(&self, leaves: &[Arc<Leaf>], proofs: &Proofs) -> Result<Vec<Rows>> {
        let dataset = self.context.dataset;
        let mut rows: Vec<Rows> = Vec::new();
        let behind = match dataset.unique() {
            None => Behind::Told,
            Some(_) => Behind::WithCopies(rows_of(self.context, leaves).await?),
        };
        for rollup in dataset.rollups() {
            // Two rollups with the same definition have the same rows, so one file is enough.
            let hash = rollup.definition_hash();
            if rows.iter().any(|known| known.rollup.definition_hash() == hash) {
                continue;
            }
            let of_day = (self.live.day, leaves);
            let stream = group_rows(self.context, rollup, of_day, proofs).await?;
            rows.push(Rows { rollup: rollup.clone(), definition: 0, behind, stream });
        }
        if !rows.is_empty() {
            rows.extend(self.new_events(0, leaves).await?);
        }
        Ok(rows)
    }

    /// The events of leaves of a day of which no events remain yet. `None` when the leaves have
    /// none.
    async fn new_events(&self, definition: usize, leaves: &[Arc<Leaf>]) -> Result<Option<Rows>> {
        let Some(events) = self.context.dataset.events() else { return Ok(None) };
        let kept = ((events, None), definition);
        let rows = Rows::of_events(self.context, self.live.day, kept, leaves).await?;
        Ok(Some(rows).filter(|rows| !matches!(rows.behind, Behind::Known(0))))
    }

    /// The rows that remain already, merged with the rows of late leaves; and the texts of the
    /// definitions that the rollups are from.
    async fn added(
        &self,
        base: &Manifest,
        late: &[Arc<Leaf>],
        proofs: &Proofs,
    ) -> Result<(Vec<Rows>, Vec<String>)> {
        let dataset = self.context.dataset;
        if !proofs.all_of_day(dataset.time_column(), self.live.day) {
            check_days(self.context, late).await?;
        }
        let (mut rows, mut definitions) = (Vec::new(), base.definitions.clone());
        for remains in &base.remains {
            let (rollup, text) = rollup_of(dataset, self.definitions, base, remains)?;
            if self.dropped.contains(&remains.hash) {
                continue;
            }
            let known = definitions.iter().position(|known| *known == text);
            let definition = known.unwrap_or(definitions.len());
            if known.is_none() {
                definitions.push(text);
            }
            let segment = self.live.remains.get(&remains.hash).ok_or_else(|| {
                Error::internal(format!("{}: no remains of `{}`", self.live.day, remains.rollup))
            })?;
            let rows_in = self.check(base, remains, segment).await?;
            if rollup.is_of_events() {
                let kept = ((&rollup, Some(segment)), definition);
                rows.push(Rows::of_events(self.context, self.live.day, kept, late).await?);
                continue;
            }
            let late = RawRows { leaves: late, proofs, without: self.without };
            let stream = merge_with_late(self.context, &rollup, segment, late).await?;
            let rows_in = rows_in.saturating_add(rows_of(self.context, late.leaves).await?);
            rows.push(Rows { rollup, definition, behind: Behind::Known(rows_in), stream });
        }
        let events = dataset.events().map(Rollup::definition_hash);
        let are_known = |rows: &Rows| Some(rows.rollup.definition_hash()) == events;
        if !rows.iter().any(are_known) {
            let newest = &self.definitions.newest.text;
            let known = definitions.iter().position(|known| known == newest);
            let new = self.new_events(known.unwrap_or(definitions.len()), late).await?;
            if new.is_some() && known.is_none() {
                definitions.push(newest.clone());
            }
            rows.extend(new);
        }
        Ok((rows, definitions))
    }

    /// Checks that a rollup's remains are as they were written. Gives the number of raw rows
    /// behind them.
    async fn check(
        &self,
        base: &Manifest,
        remains: &Remains,
        segment: &SegmentFile,
    ) -> Result<u64> {
        let root = self.context.root;
        let footer = whole_file(root, &segment.file).await?;
        let is_it = match &footer.kind {
            FileKind::Remains(found) => {
                found.definition == remains.hash && found.rows_out == remains.file.rows
            }
            FileKind::Segment(found) => found.definition == remains.hash && base.format == 1,
            _ => false,
        };
        footer.rows_in().filter(|_| is_it).ok_or_else(|| {
            let name = root.full_name(&location(self.live.day, &remains.file));
            Error::corrupt(format!("{name}: is not the file that the manifest names"))
        })
    }

    /// Writes all rows to staged files, then creates the files. Only the last file's footer has
    /// the set.
    async fn create(
        &self,
        generation: &Generation<'_>,
        rows: Vec<Rows>,
        definitions: &[String],
        set: SetFooter,
    ) -> Result<Vec<Remains>> {
        let JobContext { dataset, staging, .. } = self.context;
        let mut written = Vec::new();
        for Rows { rollup, definition, behind, mut stream } in rows {
            let name = format!("{}-{}", rollup.definition_hash(), generation.attempt);
            let mut writer = SegmentWriter::try_new(staging, &rollup, &name)?;
            let mut counted = 0;
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                if !matches!(behind, Behind::Known(_)) {
                    counted += check_rows(dataset, self.live.day, &batch)?;
                }
                writer = writer.write(&batch).await?;
            }
            let rows_in = match behind {
                Behind::Told => counted,
                Behind::WithCopies(rows) | Behind::Known(rows) => rows,
            };
            written.push((rollup, definition, rows_in, writer));
        }
        let (last, mut remains) = (written.len() - 1, Vec::new());
        for (part, (rollup, definition, rows_in, writer)) in written.into_iter().enumerate() {
            let footer = RemainsFooter {
                rollup: rollup.folder().to_owned(),
                definition: rollup.definition_hash().to_owned(),
                dataset: definitions.get(definition).cloned().unwrap_or_default(),
                date: self.live.day.to_string(),
                generation: generation.number,
                attempt: generation.attempt.clone(),
                part,
                rows_in,
                rows_out: writer.rows(),
                set: (part == last).then(|| set.clone()),
            };
            let file = self.create_one(generation, footer, writer).await?;
            let (hash, rollup) = (rollup.definition_hash().to_owned(), rollup.folder().to_owned());
            remains.push(Remains { file, rollup, hash, definition });
        }
        Ok(remains)
    }

    async fn create_one(
        &self,
        generation: &Generation<'_>,
        footer: RemainsFooter,
        writer: SegmentWriter,
    ) -> Result<ManifestFile> {
        let name = remains_name(generation.number, &generation.attempt, &footer.definition);
        let rows = footer.rows_out;
        let kind = FileKind::Remains(footer);
        let (path, _) = writer.finish(kind.clone()).await?;
        let (file, _) = generation.create(name, rows, &path, &kind).await?;
        Ok(file)
    }
}

/// The hash of all rows of the day: those of the previous manifest, purged or in files, and those
/// absorbed now. Rows of other tools' files have no hash and are not included.
fn content(base: Option<&Manifest>, taken: &[Absorbed]) -> Result<ContentHash> {
    let mut sum = ContentHasher::new();
    let before = base.map(|base| &base.content);
    let taken = taken.iter().filter_map(|absorbed| absorbed.content.as_ref());
    for content in before.into_iter().chain(taken) {
        sum.add_hashed(content)?;
    }
    Ok(sum.finish())
}

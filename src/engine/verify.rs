//! Recomputing what is derived, and checking what is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use arrow::array::RecordBatch;
use datafusion::logical_expr::ident;
use object_store::{ObjectMeta, path::Path};

use super::{
    Tallybook, chain,
    rows_differ::{first_difference, joined},
};
use crate::{
    base::{Day, ErrorKind, Result, Span},
    catalog::{Freshness, Serving, Snapshot, load},
    exec::{FileTable, engine_error},
    jobs::{Proofs, check_named, group_rows},
    model::{ContentHasher, LeafId, Manifest, ManifestState, Rollup},
    store::{
        FileKind, Leaf, LeafDay, LeafKind, NO_ACCOUNT, SegmentFile, check_file, leaf_ids,
        list_segments, manifest_path, read_account,
    },
};

/// A file that was found to be as it should.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its full name.
    pub file: String,
    /// Its rows.
    pub rows: u64,
}

/// The first thing that isn't as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub file: String,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

pub(super) async fn verify(
    book: &Tallybook,
    span: Span,
    mut report: impl FnMut(&Checked) + Send,
) -> Result<Option<Difference>> {
    let snapshot = book.snapshot(span).await?;
    if let Some((day, damage)) = snapshot.damaged(span).next() {
        return Ok(Some(Difference { file: format!("day {day}"), what: damage.what.clone() }));
    }
    if let Some(difference) = chain::check(book, span).await? {
        return Ok(Some(difference));
    }
    for live in snapshot.live(span) {
        if let Some(lost) = live.lost.first() {
            let what = "is named by the day's manifest, and it is gone".to_owned();
            return Ok(Some(Difference { file: book.root().full_name(lost), what }));
        }
        for leaf in live.leaves.iter().filter(|leaf| !leaf.is_purged()) {
            match check_leaf(book, leaf).await? {
                Ok(checked) => report(&checked),
                Err(difference) => return Ok(Some(difference)),
            }
        }
        if let Some(difference) = check_day(book, live).await? {
            return Ok(Some(difference));
        }
        for rollup in book.dataset().rollups() {
            let (segment, late): (_, &[_]) = match snapshot.freshness(rollup.name(), live.day) {
                Freshness::Missing => continue,
                Freshness::Current(segment) => (segment, &[]),
                Freshness::Behind { segment, late } => (segment, late),
            };
            match check_segment(book, rollup, segment, (live, late)).await? {
                Ok(checked) => report(&checked),
                Err(difference) => return Ok(Some(difference)),
            }
        }
    }
    if let Some(lost) = check_lost(book, span, &snapshot).await? {
        return Ok(Some(lost));
    }
    if let Some(difference) = check_months(book, span, &snapshot, report).await? {
        return Ok(Some(difference));
    }
    let distrusted = book.root().a_distrusted();
    Ok(distrusted.map(|path| Difference {
        file: book.root().full_name(&Path::from(path)),
        what: "is a damaged hint; raw rows answer, and `rollup` or `gc` mend it".to_owned(),
    }))
}

/// A segment that was built from a leaf which isn't there any more, though leaves stay, or are
/// accounted for by their day's manifests. Of days with files of other tools, which may replace
/// them, nothing is known; and of purged days, where an erasure that died leaves segments with a
/// mark that no manifest has.
async fn check_lost(
    book: &Tallybook,
    span: Span,
    snapshot: &Snapshot,
) -> Result<Option<Difference>> {
    let Some(days) = span.day_bounds() else { return Ok(None) };
    let root = book.root();
    for rollup in book.dataset().all_rollups() {
        for found in list_segments(root, rollup, days).await?.days {
            let live = snapshot.live(found.day.span()).next();
            let unknown = |live: &Arc<LeafDay>| {
                live.is_purged() || live.leaves.iter().any(|leaf| leaf.kind == LeafKind::Foreign)
            };
            if live.is_some_and(unknown) {
                continue;
            }
            let current = live.map(|live| &live.fingerprint);
            let others = found.segments.iter();
            let others = others.filter(|segment| Some(&segment.fingerprint) != current);
            let others: Vec<_> = others.collect();
            let known: BTreeSet<LeafId> = match live {
                Some(live) if !others.is_empty() => {
                    leaf_ids(root, live).await?.into_iter().collect()
                }
                _ => BTreeSet::new(),
            };
            for segment in others {
                let account = match read_account(root, &segment.file).await {
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        root.distrust(&segment.file, &error);
                        continue;
                    }
                    account => account?,
                };
                let leaves = account.segment().into_iter().flat_map(|account| &account.leaves);
                if let Some(lost) = leaves.into_iter().find(|leaf| !known.contains(leaf)) {
                    let what = format!(
                        "was built from the leaf {lost} of {}, which is gone; if another tool took \
                         it away, `rollup` and `gc` go by what is there",
                        found.day
                    );
                    let file = root.full_name(&segment.file.location);
                    return Ok(Some(Difference { file, what }));
                }
            }
        }
    }
    Ok(None)
}

/// A day's manifest against the name that says the same, and the files that it names, whole,
/// against it.
async fn check_day(book: &Tallybook, live: &LeafDay) -> Result<Option<Difference>> {
    let Some(base) = &live.base else { return Ok(None) };
    let root = book.root();
    // Not what is kept of it.
    let listed = base.listed.as_ref();
    let path =
        listed.map_or_else(|| manifest_path(live.day, base.generation), |it| it.location.clone());
    let file = root.full_name(&path);
    let Some(bytes) = root.read(&path).await? else {
        let what = "is gone; only its tag is there".to_owned();
        return Ok(Some(Difference { file, what }));
    };
    let manifest = match Manifest::parse(&bytes, live.day, base.generation) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Some(Difference { file, what: error.to_string() })),
    };
    let purged = manifest.state == ManifestState::Purged;
    if manifest.fingerprint() != base.fingerprint || purged != base.purged {
        let what = "accounts for other leaves than its name says".to_owned();
        return Ok(Some(Difference { file, what }));
    }
    if let Err(error) = check_named(root, live.day, &manifest).await {
        return match error.kind() {
            ErrorKind::Corrupt => Ok(Some(Difference { file, what: error.to_string() })),
            _ => Err(error),
        };
    }
    let mut sum = ContentHasher::new();
    for leaf in live.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Compacted) {
        let account = read_account(root, &leaf.file).await?;
        if let Some(content) = account.content() {
            sum.add_hashed(content)?;
        }
    }
    let found = sum.finish();
    if purged || found == manifest.content {
        return Ok(None);
    }
    let what = format!("its files hold {found}, and it says {}", manifest.content);
    Ok(Some(Difference { file, what }))
}

type Verdict = Result<Checked, Difference>;

/// A leaf against its own account: bytes, rows, and that all of them are of its day.
async fn check_leaf(book: &Tallybook, leaf: &Leaf) -> Result<Verdict> {
    let rows = match check_file(book.root(), &leaf.file).await? {
        Ok((rows, Some(footer))) => {
            let is_it = match &footer.kind {
                FileKind::Leaf(account) => account.id == leaf.id,
                FileKind::Compacted(account) => {
                    leaf.kind == LeafKind::Compacted && account.date == leaf.day.to_string()
                }
                FileKind::Segment(_) | FileKind::Remains(_) | FileKind::Month(_) => false,
            };
            if !is_it || footer.content().is_none_or(|content| content.rows != rows) {
                return Ok(Err(difference(book, &leaf.file, "is not the leaf that its name says")));
            }
            rows
        }
        Ok((rows, None)) if leaf.kind == LeafKind::Foreign => rows,
        Ok((_, None)) => return Ok(Err(difference(book, &leaf.file, NO_ACCOUNT))),
        Err(what) => return Ok(Err(difference(book, &leaf.file, what))),
    };
    let file = book.root().full_name(&leaf.file.location);
    if let Some(outside) = first_outside(book, leaf).await? {
        let what = format!("holds a row of {outside} in the folder of {}", leaf.day);
        return Ok(Err(Difference { file, what }));
    }
    Ok(Ok(Checked { file, rows }))
}

/// A day besides the leaf's that it has a row of.
async fn first_outside(book: &Tallybook, leaf: &Leaf) -> Result<Option<Day>> {
    use arrow::{array::AsArray as _, datatypes::Date32Type};
    use datafusion::logical_expr::cast;
    let table = FileTable::of_leaves(book.root(), book.dataset(), &[Arc::new(leaf.clone())]);
    let day = cast(ident(book.dataset().time_column()), arrow::datatypes::DataType::Date32);
    let outside = day.clone().not_eq(ident(crate::model::DATE_COLUMN));
    let rows = book
        .context()
        .read_table(Arc::new(table))
        .and_then(|rows| rows.filter(outside))
        .and_then(|rows| rows.select(vec![day]))
        .and_then(|rows| rows.limit(0, Some(1)))
        .map_err(engine_error)?;
    let rows = rows.collect().await.map_err(engine_error)?;
    let first = rows.iter().find(|batch| batch.num_rows() > 0);
    Ok(first
        .map(|batch| Day::from_epoch_days(batch.column(0).as_primitive::<Date32Type>().value(0))))
}

/// A segment against its account, and against the rollup of the leaves it was built from; of purged
/// ones against its account alone.
async fn check_segment(
    book: &Tallybook,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    (live, late): (&LeafDay, &[Arc<Leaf>]),
) -> Result<Verdict> {
    let rows = match check_account(book, segment).await? {
        Ok(rows) => rows,
        Err(difference) => return Ok(Err(difference)),
    };
    if live.is_purged() {
        return Ok(Ok(Checked { file: book.root().full_name(&segment.file.location), rows }));
    }
    let in_it = |leaf: &&Arc<Leaf>| !late.iter().any(|late| late.id == leaf.id);
    let leaves: Vec<_> = live.leaves.iter().filter(in_it).cloned().collect();
    let groups = group_rows(
        book.root(),
        book.dataset(),
        book.context(),
        rollup,
        (live.day, &leaves),
        // Nothing is taken from the leaves' own statistics.
        &Proofs::default(),
    )
    .await?;
    let expected =
        datafusion::physical_plan::common::collect(groups).await.map_err(engine_error)?;
    let expected = joined(&rollup.segment_schema(), &expected)?;
    let stored = stored_rows(book, rollup, std::slice::from_ref(segment)).await?;
    let file = book.root().full_name(&segment.file.location);
    Ok(match first_difference(&expected, &stored) {
        None => Ok(Checked { file, rows }),
        Some(what) => Err(Difference { file, what }),
    })
}

/// A segment against its account: its rows.
async fn check_account(book: &Tallybook, segment: &SegmentFile) -> Result<Result<u64, Difference>> {
    Ok(match check_file(book.root(), &segment.file).await? {
        Ok((rows, Some(_))) => Ok(rows),
        Ok((_, None)) => Err(difference(book, &segment.file, NO_ACCOUNT)),
        Err(what) => Err(difference(book, &segment.file, what)),
    })
}

/// The segments of months against their days'.
async fn check_months(
    book: &Tallybook,
    span: Span,
    days: &Snapshot,
    mut report: impl FnMut(&Checked) + Send,
) -> Result<Option<Difference>> {
    let rollups = || book.dataset().rollups();
    let months = load(book.root(), span, rollups(), Serving::Months).await?;
    for rollup in rollups() {
        let mut of_month: BTreeMap<&Path, (&Arc<SegmentFile>, Vec<_>)> = BTreeMap::new();
        for live in days.live(span) {
            let found = (
                months.freshness(rollup.name(), live.day),
                days.freshness(rollup.name(), live.day),
            );
            if let (Freshness::Current(month), Freshness::Current(segment)) = found
                && month != segment
            {
                let entry = of_month.entry(&month.file.location);
                entry.or_insert_with(|| (month, Vec::new())).1.push(Arc::clone(segment));
            }
        }
        for (month, segments) in of_month.into_values() {
            let rows = match check_account(book, month).await? {
                Ok(rows) => rows,
                Err(difference) => return Ok(Some(difference)),
            };
            let expected = stored_rows(book, rollup, &segments).await?;
            let stored = stored_rows(book, rollup, std::slice::from_ref(month)).await?;
            let file = book.root().full_name(&month.file.location);
            if let Some(what) = first_difference(&expected, &stored) {
                return Ok(Some(Difference { file, what }));
            }
            report(&Checked { file, rows });
        }
    }
    Ok(None)
}

/// The rows of segments, in their order.
async fn stored_rows(
    book: &Tallybook,
    rollup: &Rollup,
    segments: &[Arc<SegmentFile>],
) -> Result<RecordBatch> {
    let stored = FileTable::of_segments(book.root(), rollup, segments);
    let stored = book
        .context()
        .read_table(Arc::new(stored))
        .and_then(|rows| rows.sort(rollup.segment_order()))
        .map_err(engine_error)?;
    joined(&rollup.segment_schema(), &stored.collect().await.map_err(engine_error)?)
}

fn difference(book: &Tallybook, file: &ObjectMeta, what: &str) -> Difference {
    Difference { file: book.root().full_name(&file.location), what: what.to_owned() }
}

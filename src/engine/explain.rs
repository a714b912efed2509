//! Explanations: the decision about a query, as text and as data.

use std::{collections::HashMap, fmt};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};
use serde::Serialize;

use crate::{
    base::{Day, Result, Span},
    engine::Tallybook,
    plan::{BlockDecision, Decision, Piece, RawReason, Source},
    store::read_metadata,
};

/// The number of footers that are read at once.
const CONCURRENT_REQUESTS: usize = 32;

/// How a query is answered, and why rollups don't answer the rest of it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// `raw`, `rollup` or `mixed`.
    pub route: &'static str,
    /// One for each use of the raw table.
    pub blocks: Vec<BlockExplanation>,
}

/// One use of the raw table.
#[derive(Clone, Debug, Serialize)]
pub struct BlockExplanation {
    /// The queried days, UTC, and the table.
    pub span: String,
    /// The cover in one line: `365 days: 351 from org_daily, 13 raw (no segment), …`.
    pub cover: String,
    /// The cover, span by span.
    pub spans: Vec<SpanExplanation>,
    /// The number of files that are read.
    pub files: usize,
    /// The number of rows in these files; `None` when their footers weren't read.
    pub rows: Option<i64>,
    /// The total size of these files, in bytes.
    pub bytes: u64,
    /// The rollups, and whether each can serve.
    pub rollups: Vec<RollupExplanation>,
}

/// Consecutive days that have the same source.
#[derive(Clone, Debug, Serialize)]
pub struct SpanExplanation {
    /// The first day, UTC.
    pub from: String,
    /// The last day, UTC.
    pub to: String,
    /// The rollup's name, or `raw`.
    pub source: String,
    /// The reason for reading raw rows; `None` for a rollup.
    pub reason: Option<String>,
    /// The number of files that are read. A file that several spans read counts in each of them.
    pub files: usize,
    /// The number of rows in these files; `None` when their footers weren't read.
    pub rows: Option<i64>,
    /// The total size of these files, in bytes.
    pub bytes: u64,
    /// The segment that answers the last day. A month's segment answers many days, but counts once.
    #[serde(skip)]
    last: Option<Path>,
}

/// Whether a rollup can serve.
#[derive(Clone, Debug, Serialize)]
pub struct RollupExplanation {
    /// The rollup's name, or `*` for all.
    pub rollup: String,
    /// Whether the rollup can serve.
    pub serves: bool,
    /// When the rollup serves, its rank among those that serve. Otherwise the refusal, and the
    /// smallest change that would help.
    pub reason: String,
}

impl Explanation {
    /// An explanation with numbers of rows. Reads the footers of all files.
    ///
    /// # Errors
    /// The error from reading a footer.
    pub(super) async fn counted(db: &Tallybook, decision: &Decision) -> Result<Self> {
        Ok(Self::of(db, decision, &count_rows(db, decision).await?))
    }

    /// An explanation without numbers of rows. Reads nothing.
    pub(super) fn brief(db: &Tallybook, decision: &Decision) -> Self {
        Self::of(db, decision, &HashMap::new())
    }

    fn of(db: &Tallybook, decision: &Decision, rows: &HashMap<Path, i64>) -> Self {
        let blocks = decision.blocks.iter().map(|block| explain(db, block, rows)).collect();
        Self { route: decision.route().name(), blocks }
    }
}

/// The number of rows of each file, from its footer.
async fn count_rows(db: &Tallybook, decision: &Decision) -> Result<HashMap<Path, i64>> {
    let files = decision.blocks.iter().flat_map(|block| block.cover.files());
    let files: HashMap<&Path, &ObjectMeta> = files.map(|file| (&file.location, file)).collect();
    let root = db.root();
    stream::iter(files.into_values().cloned().collect::<Vec<_>>())
        .map(|file| async move {
            let metadata = read_metadata(root, &file).await?;
            Ok((file.location, metadata.file_metadata().num_rows()))
        })
        .buffer_unordered(CONCURRENT_REQUESTS)
        .try_collect()
        .await
}

fn explain(db: &Tallybook, block: &BlockDecision, rows: &HashMap<Path, i64>) -> BlockExplanation {
    let files = block.cover.files();
    let rows_of = |file: &ObjectMeta| rows.get(&file.location).copied();
    let serving = block.cover.rollups.iter().enumerate().map(|(rank, name)| {
        let first = block.cover.rollups.first().map_or("", String::as_str);
        let reason = match rank {
            0 => "serves; of those that do, its files are smallest".to_owned(),
            _ => format!("serves, where {first} doesn't"),
        };
        RollupExplanation { rollup: name.clone(), serves: true, reason }
    });
    let refused = block.refusals.iter().map(|(rollup, refusal)| RollupExplanation {
        rollup: rollup.clone(),
        serves: false,
        reason: refusal.to_string(),
    });
    BlockExplanation {
        span: format!("{} of {}", span_words(block.cover.spans.hull()), db.dataset().table()),
        cover: block.cover.to_string(),
        spans: spans_of(&block.cover.pieces, rows_of),
        files: files.len(),
        rows: files.iter().map(|file| rows_of(file)).sum(),
        bytes: files.iter().map(|file| file.size).sum(),
        rollups: serving.chain(refused).collect(),
    }
}

/// Merges pieces into spans: a piece extends a span of the day before that has the same source and
/// reason.
fn spans_of(
    pieces: &[Piece],
    rows_of: impl Fn(&ObjectMeta) -> Option<i64>,
) -> Vec<SpanExplanation> {
    let mut spans: Vec<SpanExplanation> = Vec::new();
    let mut before: Vec<usize> = Vec::new();
    for day in pieces.chunk_by(|a, b| a.day == b.day) {
        let mut today = Vec::new();
        for piece in day {
            let found = span_of(piece, &rows_of);
            let alike = |at: &&usize| spans.get(**at).is_some_and(|span| span.goes_on_as(&found));
            let at = before.iter().chain(&today).find(alike).copied();
            match at.and_then(|at| spans.get_mut(at)) {
                Some(span) if found.last.is_some() && span.last == found.last => {
                    span.to = found.to;
                }
                Some(span) => {
                    span.last = found.last;
                    span.to = found.to;
                    span.files += found.files;
                    span.rows = span.rows.zip(found.rows).map(|(a, b)| a + b);
                    span.bytes += found.bytes;
                }
                None => spans.push(found),
            }
            today.push(at.unwrap_or(spans.len() - 1));
        }
        before = today;
    }
    spans
}

fn span_of(piece: &Piece, rows_of: impl Fn(&ObjectMeta) -> Option<i64>) -> SpanExplanation {
    let (source, reason, files): (_, _, Vec<&ObjectMeta>) = match &piece.source {
        Source::Segment { rollup, segment, .. } => (rollup.clone(), None, vec![&segment.file]),
        Source::Leaves { leaves, reason } => {
            let files = leaves.iter().map(|leaf| &leaf.file).collect();
            ("raw".to_owned(), Some(*reason), files)
        }
    };
    let last = match &piece.source {
        Source::Segment { segment, .. } => Some(segment.file.location.clone()),
        Source::Leaves { .. } => None,
    };
    let reason = reason.map(|reason| match reason {
        RawReason::Late => "late leaves".to_owned(),
        other => other.to_string(),
    });
    SpanExplanation {
        from: piece.day.to_string(),
        to: piece.day.to_string(),
        source,
        reason,
        files: files.len(),
        rows: files.iter().map(|file| rows_of(file)).sum(),
        bytes: files.iter().map(|file| file.size).sum(),
        last,
    }
}

fn span_words(span: Span) -> String {
    if span == Span::ALL {
        return "all days".to_owned();
    }
    if span.is_empty() {
        return "no days".to_owned();
    }
    match (span.start, span.end) {
        (i64::MIN, end) => format!("days until {}", Day::of_micros(end - 1)),
        (start, i64::MAX) => format!("days from {}", Day::of_micros(start)),
        (start, end) => format!("{} to {}", Day::of_micros(start), Day::of_micros(end - 1)),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route: {}", self.route)?;
        for block in &self.blocks {
            write!(f, "\n\n{}\n  {}", block.span, block.cover)?;
            let sources: Vec<_> = block.spans.iter().map(SpanExplanation::source_words).collect();
            let width = sources.iter().map(String::len).max().unwrap_or_default();
            for (span, source) in block.spans.iter().zip(&sources) {
                write!(
                    f,
                    "\n  {} to {}  {source:width$}  {:>5} files",
                    span.from, span.to, span.files
                )?;
                if let Some(rows) = span.rows {
                    write!(f, " {rows:>11} rows")?;
                }
                write!(f, " {:>13} bytes", span.bytes)?;
            }
            if !block.rollups.is_empty() {
                write!(f, "\n  rollups:")?;
            }
            for rollup in &block.rollups {
                let name = if rollup.rollup == "*" { "no rollup" } else { &rollup.rollup };
                write!(f, "\n    {name}: {}", rollup.reason)?;
            }
        }
        Ok(())
    }
}

impl SpanExplanation {
    fn goes_on_as(&self, next: &Self) -> bool {
        self.source == next.source && self.reason == next.reason
    }

    fn source_words(&self) -> String {
        match &self.reason {
            None => self.source.clone(),
            Some(reason) => format!("{} ({reason})", self.source),
        }
    }
}

//! What the rewrite decided for a query, and why it refused rollups.

use std::{collections::BTreeSet, fmt};

use object_store::ObjectMeta;

use crate::{
    base::{Day, Grain, Zone},
    plan::{Cover, Piece, Source},
};

/// Which kinds of files answer a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteTaken {
    /// Raw leaves alone.
    Raw,
    /// Segments alone.
    Rollup,
    /// Both.
    Mixed,
}

impl RouteTaken {
    /// The name of the route in statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Rollup => "rollup",
            Self::Mixed => "mixed",
        }
    }
}

/// Why one rollup, or every rollup, can't serve a block. Not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The route is `raw`: the query may read raw leaves only.
    RouteRaw,
    /// The span is so short that raw leaves are preferred.
    ShortSpan {
        /// The length of the span, in days.
        days: i64,
        /// Spans up to this many days are read raw.
        min_span_days: i64,
    },
    /// The query selects raw rows, not an aggregate of raw rows.
    NoAggregate,
    /// A node between the aggregate and the raw table that doesn't commute with the rollup; its
    /// name.
    Node(String),
    /// The rollups' files are larger than the raw ones.
    NotCheaper {
        /// The size of the files that a cover by rollups reads.
        bytes: u64,
        /// The size of the raw files for the same span.
        raw_bytes: u64,
    },
    /// Raw rows joined with raw rows.
    TwoRawScans,
    /// A join that doesn't commute with grouping the raw rows; its kind.
    JoinKind(String),
    /// A subquery below the aggregate whose value depends on the row.
    Subquery,
    /// A function whose value differs from call to call; the call.
    Volatile(String),
    /// Something in a joined table, or in a subquery, whose rows may differ from run to run; its
    /// name.
    NotDeterministic(String),
    /// An aggregate that can't be merged from parts; the call.
    NotMergeable(String),
    /// An aggregate that adds up floats, whose last digits depend on the order of addition; the
    /// call.
    Inexact(String),
    /// The rollup holds only some rows, and the query may need more. The rollup's filter.
    OtherRows(String),
    /// An aggregate over an expression that can't be made of the stored ones; the call.
    Expression(String),
    /// A column that the rollup isn't grouped by; its name.
    NotADimension(String),
    /// A use of the time column that distinguishes rows of one bucket.
    FinerThanGrain {
        /// The expression.
        expression: String,
        /// The rollup's grain.
        grain: Grain,
    },
    /// A time zone whose clock cuts through the rollup's buckets.
    ZoneCutsBuckets {
        /// The zone.
        zone: Zone,
        /// The rollup's grain.
        grain: Grain,
    },
    /// A value that the rollup doesn't store; the call.
    NotStored(String),
    /// The rewritten plan would have another schema; the difference.
    Schema(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RouteRaw => write!(f, "route raw was asked for"),
            Self::ShortSpan { days, min_span_days } => {
                write!(f, "the span of {days} days is not over {min_span_days}, so raw is read")
            }
            Self::NoAggregate => write!(f, "the query asks for raw rows, not for an aggregate"),
            Self::Node(node) => write!(f, "{node} between the aggregate and the raw table"),
            Self::NotCheaper { bytes, raw_bytes } => {
                write!(f, "its files hold {bytes} bytes, the raw ones only {raw_bytes}")
            }
            Self::TwoRawScans => {
                write!(f, "raw rows joined with raw rows; aggregate each side before the join")
            }
            Self::JoinKind(kind) => {
                write!(f, "a {kind} join below the aggregate; join after aggregating")
            }
            Self::Subquery => {
                write!(f, "a subquery below the aggregate whose value depends on the row")
            }
            Self::Volatile(call) => write!(f, "{call} differs from call to call"),
            Self::NotDeterministic(what) => write!(
                f,
                "a joined table or a subquery has {what}, and may have other rows each time it is \
                 run"
            ),
            Self::NotMergeable(call) => write!(f, "{call} can't be merged from parts"),
            Self::Inexact(call) => write!(
                f,
                "{call} adds up floats, whose last digits depend on the order; declare the column \
                 as decimal"
            ),
            Self::OtherRows(filter) => {
                write!(f, "it is only of rows where {filter}; ask for those alone")
            }
            Self::Expression(call) => {
                write!(f, "{call} is over an expression that is not stored; add it to measures")
            }
            Self::NotADimension(column) => {
                write!(f, "{column} is not a dimension; add it to dimensions")
            }
            Self::FinerThanGrain { expression, grain } => write!(
                f,
                "{expression} tells apart rows of one bucket; its grain is {grain}, use a finer one"
            ),
            Self::ZoneCutsBuckets { zone, grain } => write!(
                f,
                "local time in {zone} cuts through its buckets; its grain is {grain}, use a finer one"
            ),
            Self::NotStored(call) => write!(f, "{call} is not stored; add it to measures"),
            Self::Schema(what) => write!(f, "the rewritten plan would differ in {what}"),
        }
    }
}

/// The decision for one aggregate block, or for one scan of raw rows.
#[derive(Clone, Debug)]
pub struct BlockDecision {
    /// The pieces that answer the block.
    pub cover: Cover,
    /// The rollups that can't serve the block, by name, each with a reason. The name `*` stands
    /// for every rollup.
    pub refusals: Vec<(String, Refusal)>,
}

/// The decision for a query.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// One decision for each scan of the raw table, in the order of the plan.
    pub blocks: Vec<BlockDecision>,
}

impl Decision {
    /// Which kinds of files answer the query. A query with nothing to read is `rollup` if a
    /// rollup can serve one of its blocks.
    #[must_use]
    pub fn route(&self) -> RouteTaken {
        let pieces = || self.blocks.iter().flat_map(|block| &block.cover.pieces);
        let segments = pieces().any(|piece| matches!(piece.source, Source::Segment { .. }));
        let raw = pieces().any(|piece| matches!(piece.source, Source::Leaves { .. }));
        let nothing_to_read =
            self.blocks.iter().any(|block| !block.cover.rollups.is_empty()) && !raw;
        match (segments, raw) {
            (true, true) => RouteTaken::Mixed,
            (true, false) => RouteTaken::Rollup,
            (false, _) if nothing_to_read => RouteTaken::Rollup,
            (false, _) => RouteTaken::Raw,
        }
    }

    /// The number of days answered from segments, and the number answered from raw leaves. A day
    /// answered from both counts in both.
    #[must_use]
    pub fn days(&self) -> (usize, usize) {
        let count = |segments: bool| {
            let days = self.blocks.iter().flat_map(|block| &block.cover.pieces);
            let days =
                days.filter(|piece| matches!(piece.source, Source::Segment { .. }) == segments);
            days.map(|piece| piece.day).collect::<BTreeSet<_>>().len()
        };
        (count(true), count(false))
    }

    /// The days of which the query needs raw rows that were purged. If there is one, the query
    /// can't run.
    #[must_use]
    pub fn purged_days(&self) -> BTreeSet<Day> {
        let pieces = self.blocks.iter().flat_map(|block| &block.cover.pieces);
        let needs_purged = |piece: &&Piece| match &piece.source {
            Source::Leaves { leaves, .. } => leaves.iter().any(|leaf| leaf.is_purged()),
            Source::Segment { .. } => false,
        };
        pieces.filter(needs_purged).map(|piece| piece.day).collect()
    }

    /// The total size of the files that are read, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.cover.bytes()).sum()
    }

    /// The files that are read.
    pub(crate) fn files_read(&self) -> Vec<&ObjectMeta> {
        self.blocks.iter().flat_map(|block| block.cover.files()).collect()
    }

    /// The number of files that are read.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files_read().len()
    }
}

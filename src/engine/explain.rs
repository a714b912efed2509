//! A decision in words and as data.

use std::fmt;

use serde::Serialize;

use crate::{
    base::{Day, Span},
    model::Dataset,
    plan::{BlockDecision, Decision},
};

/// How a question is answered, and why not from rollups where it isn't.
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
    /// The days asked for.
    pub span: String,
    /// What answers them: `365 days: 351 from org_daily, 13 raw (no segment), …`.
    pub cover: String,
    /// Files read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Why rollups could not serve.
    pub refusals: Vec<RefusalExplanation>,
}

/// Why a rollup could not serve.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalExplanation {
    /// The rollup, or `*` for all.
    pub rollup: String,
    /// Why.
    pub reason: String,
}

impl Explanation {
    pub(super) fn new(dataset: &Dataset, decision: &Decision) -> Self {
        let route = decision.route().name();
        let blocks = decision.blocks.iter().map(|block| explain(dataset, block)).collect();
        Self { route, blocks }
    }
}

fn explain(dataset: &Dataset, block: &BlockDecision) -> BlockExplanation {
    let files = block.cover.files();
    BlockExplanation {
        span: format!("{} of {}", span_words(block.cover.spans.hull()), dataset.table()),
        cover: block.cover.to_string(),
        files: files.len(),
        bytes: files.iter().map(|file| file.size).sum(),
        refusals: block
            .refusals
            .iter()
            .map(|(rollup, refusal)| RefusalExplanation {
                rollup: rollup.clone(),
                reason: refusal.to_string(),
            })
            .collect(),
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
            write!(f, "\n{}\n  {}", block.span, block.cover)?;
            write!(f, "\n  {} files, {} bytes", block.files, block.bytes)?;
            for refusal in &block.refusals {
                let rollup = if refusal.rollup == "*" { "no rollup" } else { &refusal.rollup };
                write!(f, "\n  {rollup}: {}", refusal.reason)?;
            }
        }
        Ok(())
    }
}

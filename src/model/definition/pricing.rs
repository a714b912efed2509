//! The rule by which a price table computes the cost of a row.

/// What precedes the id of a price table where `reprice` computed the costs.
pub(crate) const REPRICED: &str = "repriced: ";

/// The columns that prices depend on, and those that they are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pricing {
    /// The cost by the table: a decimal with 12 places, in US dollars. NULL without a price.
    pub cost: String,
    /// The cost if nothing were read from a cache or written to one, like `cost`.
    pub cost_uncached: String,
    /// The id of the table. NULL without a price.
    pub table: String,
    /// The dataset's time column.
    pub time: String,
    /// The model's name.
    pub model: String,
    /// The provider's name.
    pub provider: Option<String>,
    /// The service tier.
    pub tier: Option<String>,
    /// All input tokens.
    pub input: String,
    /// The part of `input` that was read from a cache.
    pub cached: Option<String>,
    /// The part of `input` that was written to a cache.
    pub written: Option<String>,
    /// The part of `written` that stays in the cache for an hour.
    pub written_hour: Option<String>,
    /// All output tokens.
    pub output: String,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<String>,
}

impl Pricing {
    /// Whether prices depend on the column.
    pub(crate) fn reads(&self, column: &str) -> bool {
        let always = [&self.time, &self.model, &self.input, &self.output];
        let maybe = [
            &self.provider,
            &self.tier,
            &self.cached,
            &self.written,
            &self.written_hour,
            &self.reasoning,
        ];
        always.into_iter().chain(maybe.into_iter().flatten()).any(|name| name == column)
    }

    /// Whether the column holds what a price table computes. No input fills it, and it is no part
    /// of a row's content hash: the rows of a batch stay the same under another table.
    pub(crate) fn computes(&self, column: &str) -> bool {
        [&self.cost, &self.cost_uncached, &self.table].into_iter().any(|name| name == column)
    }
}

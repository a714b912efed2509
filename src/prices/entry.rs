//! The prices of one model of one provider.

use super::{
    condition::Condition,
    rate::{Rate, Rates, TokenClass},
};

/// A model of a provider, with its prices.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The provider, as the table writes it, in lower case.
    pub(super) provider: String,
    /// The model's names, in lower case.
    pub(super) names: Vec<String>,
    /// Those of the names that stand for this provider's model where no provider is said.
    pub(super) maker_names: Vec<String>,
    /// Names without the provider's prefix that the table writes.
    pub(super) bare_names: Vec<String>,
    /// The standard rates. The last one whose condition is met counts.
    pub(super) standard: Vec<(Condition, Rates)>,
    /// Rates of service tiers, by the tier's name; `batch` is one. Of each class the first rate
    /// counts whose condition is met.
    pub(super) tiers: Vec<(String, Condition, Rates)>,
    /// Why the model's price can't be computed, if the table prices it in a way that this program
    /// doesn't know.
    pub(super) unknown: Option<String>,
}

/// Names of the standard tier.
const STANDARD: [&str; 4] = ["standard", "default", "on_demand", "on-demand"];

/// Tiers that providers sell, though a table may lack their rates. Then the standard rates count,
/// as in LiteLLM, and the report says so.
const SOLD: [&str; 3] = ["batch", "flex", "priority"];

/// What is assumed where a log or the table doesn't say it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Assumed {
    /// The table has no rates of the tier for the model, at any time.
    StandardTier { model: String, tier: String },
    /// The table doesn't know the provider, so the model's maker is taken.
    Maker { model: String, provider: String },
    /// The log doesn't say how long written tokens stay in the cache, and that changes their rate.
    ShortWrite,
}

impl std::fmt::Display for Assumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::StandardTier { model, tier } => write!(
                f,
                "the standard rates: the table has none of tier `{tier}` for model `{model}`"
            ),
            Self::Maker { model, provider } => write!(
                f,
                "the rates of its maker for model `{model}`: the table doesn't know provider \
                 `{provider}`"
            ),
            Self::ShortWrite => f.write_str(
                "the 5-minute rate for cache writes: the log doesn't say how long they stay",
            ),
        }
    }
}

/// Why a call has no price.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Unpriced {
    NoModel,
    UnknownModel(String),
    /// The model has several prices, and the call's provider decides between none of them.
    SeveralProviders(String),
    /// The model has no price at the call's time.
    NotYet(String),
    UnknownTier {
        model: String,
        tier: String,
    },
    /// The model has no rate for tokens of a class that the call has, or is priced in an unknown
    /// way.
    NoRate {
        model: String,
        what: String,
    },
    UnknownCount(&'static str),
    OddCounts,
    TooLarge,
}

impl std::fmt::Display for Unpriced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoModel => f.write_str("no model"),
            Self::UnknownModel(model) => write!(f, "model `{model}` is not in the price table"),
            Self::SeveralProviders(model) => {
                write!(f, "model `{model}` has other prices at other providers, and none is said")
            }
            Self::NotYet(model) => write!(f, "model `{model}` has no price at that time"),
            Self::UnknownTier { model, tier } => {
                write!(f, "model `{model}` has no price for service tier `{tier}` at that time")
            }
            Self::NoRate { model, what } => write!(f, "model `{model}` has no price for {what}"),
            Self::UnknownCount(which) => write!(f, "the number of {which} tokens is unknown"),
            Self::OddCounts => f.write_str("token counts that contradict each other"),
            Self::TooLarge => f.write_str("a cost beyond what the column holds"),
        }
    }
}

/// The rates that count for one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting<'t> {
    entry: &'t Entry,
    standard: &'t Rates,
    /// The tier, and the call's time; `None` for the standard tier.
    tier: Option<(&'t str, i64)>,
    /// Whether the standard rates count in place of a tier's.
    is_assumed: bool,
}

impl Entry {
    /// The model's name in messages.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// The rates for calls of a tier at a time, in microseconds since 1970. With the tier comes
    /// whether the rates of tiers are those of the call's provider.
    ///
    /// # Errors
    /// The reason why there are none.
    pub(super) fn rates<'t>(
        &'t self,
        tier: Option<(&'t str, bool)>,
        micros: i64,
    ) -> Result<Counting<'t>, Unpriced> {
        if let Some(what) = &self.unknown {
            return Err(Unpriced::NoRate { model: self.name().to_owned(), what: what.clone() });
        }
        let standard = self.standard.iter().rev().find(|(when, _)| when.is_met(micros));
        let standard = standard.map(|(_, rates)| rates);
        let standard = standard.ok_or_else(|| Unpriced::NotYet(self.name().to_owned()))?;
        let tier = tier.filter(|(tier, _)| !STANDARD.contains(tier));
        let has_tiers = tier.is_none_or(|(_, has_tiers)| has_tiers);
        let tier = tier.map(|(tier, _)| (tier, micros));
        let mut counting = Counting { entry: self, standard, tier, is_assumed: !has_tiers };
        if let Some((tier, _)) = tier
            && counting.of_tier().next().is_none()
        {
            let is_priced_later = has_tiers && self.tiers.iter().any(|(name, ..)| name == tier);
            if is_priced_later || !SOLD.contains(&tier) {
                let (model, tier) = (self.name().to_owned(), tier.to_owned());
                return Err(Unpriced::UnknownTier { model, tier });
            }
            counting.is_assumed = true;
        }
        Ok(counting)
    }
}

impl<'t> Counting<'t> {
    fn of_tier(self) -> impl Iterator<Item = &'t Rates> {
        let of_tier = self.entry.tiers.iter().filter(move |(tier, when, _)| {
            let counts = self.tier.filter(|_| !self.is_assumed);
            counts.is_some_and(|(name, micros)| name == tier && when.is_met(micros))
        });
        of_tier.map(|(_, _, rates)| rates)
    }

    /// The rate of a class, for calls with that many input tokens.
    pub(super) fn rate(self, class: TokenClass, prompt: i64) -> Option<Rate> {
        let own = self.of_tier().find_map(|rates| rates.get(class));
        let own = own.or_else(|| self.standard.get(class));
        match (own, class.instead()) {
            (Some(rate), _) => Some(rate.for_prompt(prompt)),
            (None, Some(other)) => self.rate(other, prompt),
            (None, None) => None,
        }
    }

    pub(super) fn model(self) -> &'t str {
        self.entry.name()
    }

    /// What is assumed about the tier.
    pub(super) fn assumed(self) -> Option<Assumed> {
        let (tier, _) = self.tier.filter(|_| self.is_assumed)?;
        Some(Assumed::StandardTier { model: self.model().to_owned(), tier: tier.to_owned() })
    }
}

//! Rates: what a token costs, by its class and by the size of the prompt.

use bigdecimal::{BigDecimal, Signed as _, ToPrimitive as _};

/// The decimal places of a rate. LiteLLM's table has rates such as `1.5000000000000002e-07`.
const PLACES: u32 = 24;

/// The decimal places of a cost, as of the log's own cost.
pub(super) const COST_PLACES: u32 = 12;

/// US dollars a token, in units of 10⁻²⁴.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate(i128);

impl Rate {
    pub(super) const ZERO: Self = Self(0);

    /// The rate of a number of a JSON text. `per` is the number of tokens that it is for.
    ///
    /// # Errors
    /// The reason why the number is no rate.
    pub(super) fn of(number: &serde_json::Value, per: u64) -> Result<Self, String> {
        let wrong = |why: &str| format!("{number} is not a rate: {why}");
        let serde_json::Value::Number(written) = number else {
            return Err(wrong("it is no number"));
        };
        // The shortest text of a double is the number as it is written, up to 15 digits.
        let rate: BigDecimal =
            written.to_string().parse().map_err(|_| wrong("it can't be read"))?;
        if rate.is_negative() {
            return Err(wrong("it is negative"));
        }
        let units = rate * BigDecimal::new(1.into(), -i64::from(PLACES)) / BigDecimal::from(per);
        if !units.is_integer() {
            return Err(wrong("it has more than 24 places a token"));
        }
        units.to_i128().map(Self).ok_or_else(|| wrong("it is too large"))
    }

    /// This rate times a number of a JSON text.
    ///
    /// # Errors
    /// The reason why the product is no rate.
    pub(super) fn times(self, factor: &serde_json::Value) -> Result<Self, String> {
        let factor = Self::of(factor, 1)?;
        let one = 10_i128.pow(PLACES);
        let (whole, rest) = (factor.0 / one, factor.0 % one);
        // Factors are such as 6 or 1.1. More than 12 places would not be a price list's.
        let cut = 10_i128.pow(PLACES / 2);
        let part = self.0.checked_mul(rest / cut).map(|part| part / (one / cut));
        let product = self.0.checked_mul(whole).zip(part).and_then(|(a, b)| a.checked_add(b));
        product.map(Self).ok_or_else(|| "a rate is too large".to_owned())
    }

    pub(super) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What that many tokens cost, in units of 10⁻²⁴ dollars; `None` when it is too much.
    pub(super) fn cost_of(self, tokens: i64) -> Option<i128> {
        self.0.checked_mul(i128::from(tokens))
    }
}

/// A cost in units of 10⁻²⁴ dollars, rounded to [`COST_PLACES`], half away from zero.
pub(super) fn rounded(units: i128) -> i128 {
    let step = 10_i128.pow(PLACES - COST_PLACES);
    units / step + (units % step) / (step / 2)
}

/// A class of tokens with a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenClass {
    Input,
    CacheRead,
    CacheWrite,
    CacheWriteHour,
    Output,
    Reasoning,
}

impl TokenClass {
    pub(super) const ALL: [Self; 6] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteHour,
        Self::Output,
        Self::Reasoning,
    ];

    /// The class whose rate counts where this one has none.
    pub(super) const fn instead(self) -> Option<Self> {
        match self {
            Self::Input | Self::Output => None,
            Self::CacheRead | Self::CacheWrite => Some(Self::Input),
            Self::CacheWriteHour => Some(Self::CacheWrite),
            Self::Reasoning => Some(Self::Output),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cached",
            Self::CacheWrite => "cache-write",
            Self::CacheWriteHour => "1-hour cache-write",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
        }
    }
}

/// A rate that may depend on the size of the prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SizedRate {
    /// The rate of the smallest prompts.
    pub(super) base: Rate,
    /// The rates of prompts with more tokens than a threshold, by ascending threshold.
    pub(super) above: Vec<(i64, Rate)>,
}

impl SizedRate {
    /// The rate of calls with that many input tokens.
    pub(super) fn for_prompt(&self, tokens: i64) -> Rate {
        let above = self.above.iter().rev().find(|(threshold, _)| tokens > *threshold);
        above.map_or(self.base, |(_, rate)| *rate)
    }
}

/// The rates of a model, by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates([Option<SizedRate>; 6]);

impl Rates {
    pub(super) fn get(&self, class: TokenClass) -> Option<&SizedRate> {
        self.0.get(class as usize).and_then(Option::as_ref)
    }

    pub(super) fn set(&mut self, class: TokenClass, rate: SizedRate) {
        if let Some(slot) = self.0.get_mut(class as usize) {
            *slot = Some(rate);
        }
    }

    /// The rates of a model that costs nothing.
    pub(super) fn free() -> Self {
        let mut rates = Self::default();
        rates.set(TokenClass::Input, SizedRate::default());
        rates.set(TokenClass::Output, SizedRate::default());
        rates
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_exact() {
        assert_eq!(Rate::of(&json!(3), 1_000_000).unwrap(), Rate(3 * 10_i128.pow(18)));
        assert_eq!(Rate::of(&json!(3e-06), 1).unwrap(), Rate(3 * 10_i128.pow(18)));
        let odd = Rate::of(&json!(1.500_000_000_000_000_2e-7), 1).unwrap();
        assert_eq!(odd, Rate(150_000_000_000_000_020));
        assert_eq!(odd.times(&json!(1.1)).unwrap(), Rate(165_000_000_000_000_022));
        assert_eq!(odd.times(&json!(6)).unwrap(), Rate(900_000_000_000_000_120));
        for wrong in [json!(-1), json!("1"), json!(null), json!(1e-25), json!(1e30)] {
            assert!(Rate::of(&wrong, 1).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cost_is_rounded_half_away_from_zero() {
        let half = 5 * 10_i128.pow(11);
        for (units, cost) in [(half - 1, 0), (half, 1), (3 * half - 1, 1), (3 * half, 2), (0, 0)] {
            assert_eq!(rounded(units), cost, "{units}");
        }
    }

    #[test]
    fn a_threshold_itself_is_of_the_smaller_size() {
        let rate = SizedRate { base: Rate(1), above: vec![(100, Rate(2)), (200, Rate(3))] };
        for (tokens, expected) in [(0, 1), (100, 1), (101, 2), (200, 2), (201, 3)] {
            assert_eq!(rate.for_prompt(tokens), Rate(expected), "{tokens}");
        }
    }
}

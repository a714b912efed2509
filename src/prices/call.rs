//! The cost of one call.

use super::{
    entry::{Assumed, Counting, Unpriced},
    rate::{COST_PLACES, Rate, TokenClass, rounded},
};

/// The token counts of a call; `None` is unknown. `cached` and `written` are parts of `input`,
/// `written_hour` is a part of `written`, and `reasoning` one of `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) input: Option<i64>,
    pub(super) cached: Option<i64>,
    pub(super) written: Option<i64>,
    pub(super) written_hour: Option<i64>,
    pub(super) output: Option<i64>,
    pub(super) reasoning: Option<i64>,
}

/// What a call costs, in units of 10⁻¹² dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) priced: i128,
    /// What the call would cost if nothing were read from a cache or written to one.
    pub(super) uncached: i128,
    /// What is assumed about the call.
    pub(super) assumed: Vec<Assumed>,
}

/// The greatest cost: what a decimal of 18 digits holds.
const COST_MAX: i128 = 10_i128.pow(18) - 1;
const _: () = assert!(COST_PLACES == 12);

/// The cost of a call at those rates.
///
/// # Errors
/// The reason why the call has no price.
pub(super) fn cost(tokens: Tokens, rates: Counting<'_>) -> Result<Cost, Unpriced> {
    let prompt = tokens.input.unwrap_or(0);
    let rate = |class, count: i64| match rates.rate(class, prompt) {
        Some(rate) => Ok(rate),
        None if count == 0 => Ok(Rate::ZERO),
        None => Err(no_rate(rates, class)),
    };
    let known = |class, count: Option<i64>| match count {
        Some(count) => Ok(count),
        // Embeddings have no output, and it costs nothing.
        None if rates.rate(class, prompt).map_or(class == TokenClass::Output, Rate::is_zero) => {
            Ok(0)
        }
        None => Err(Unpriced::UnknownCount(class.name())),
    };
    let input = known(TokenClass::Input, tokens.input)?;
    let output = known(TokenClass::Output, tokens.output)?;
    let [cached, hour, reasoning] =
        [tokens.cached, tokens.written_hour, tokens.reasoning].map(|count| count.unwrap_or(0));
    let written = tokens.written.unwrap_or(hour);
    let parts = [
        (TokenClass::Input, input.saturating_sub(cached).saturating_sub(written)),
        (TokenClass::CacheRead, cached),
        (TokenClass::CacheWrite, written.saturating_sub(hour)),
        (TokenClass::CacheWriteHour, hour),
        (TokenClass::Output, output.saturating_sub(reasoning)),
        (TokenClass::Reasoning, reasoning),
    ];
    if parts.iter().any(|(_, count)| *count < 0) {
        return Err(Unpriced::OddCounts);
    }
    let sum = |parts: &[(TokenClass, i64)]| {
        let mut sum = 0_i128;
        for (class, count) in parts {
            let cost = rate(*class, *count)?.cost_of(*count);
            let added = cost.and_then(|cost| sum.checked_add(cost));
            sum = added.ok_or(Unpriced::TooLarge)?;
        }
        let cost = rounded(sum);
        if cost <= COST_MAX { Ok(cost) } else { Err(Unpriced::TooLarge) }
    };
    let [.., of_output, of_reasoning] = parts;
    let uncached = sum(&[(TokenClass::Input, input), of_output, of_reasoning])?;
    let [short, long] =
        [TokenClass::CacheWrite, TokenClass::CacheWriteHour].map(|class| rates.rate(class, prompt));
    let is_short = written > 0 && tokens.written_hour.is_none() && short != long;
    let assumed = is_short.then_some(Assumed::ShortWrite).into_iter().chain(rates.assumed());
    Ok(Cost { priced: sum(&parts)?, uncached, assumed: assumed.collect() })
}

fn no_rate(rates: Counting<'_>, class: TokenClass) -> Unpriced {
    let what = format!("{} tokens", class.name());
    Unpriced::NoRate { model: rates.model().to_owned(), what }
}

//! A made-up platform: organizations of unequal size, working days and quiet nights, a few models
//! and prices.

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::base::{Day, Grain};

/// The log of made-up organizations.
#[derive(Clone, Copy, Debug)]
pub struct SampleLog {
    /// The seed of all random numbers.
    pub seed: u64,
    /// Number of organizations. The first ones use the most.
    pub organizations: u32,
    /// Calls in an average hour.
    pub rows_per_hour: u32,
}

/// A model: name, provider, weight among the calls, and prices in thousandths of a US dollar for
/// a million tokens of input, cached input and output.
struct Model(&'static str, &'static str, u32, [u64; 3]);

const MODELS: [Model; 5] = [
    Model("sparrow-mini", "birdsong", 45, [250, 25, 1_000]),
    Model("sparrow-large", "birdsong", 20, [3_000, 300, 15_000]),
    Model("granite-4", "quarry", 20, [800, 200, 3_200]),
    Model("granite-4-vision", "quarry", 10, [1_500, 375, 6_000]),
    // This model has no price yet, so its calls have no cost.
    Model("loom-preview", "weaver", 5, [0, 0, 0]),
];

const OPERATIONS: [(&str, u32); 4] =
    [("chat", 60), ("parent_summary", 20), ("voice_note_transcription", 12), ("embedding", 8)];

impl SampleLog {
    /// The calls of one UTC hour, as NDJSON. Equal arguments give equal texts.
    #[must_use]
    pub fn hour(&self, day: Day, hour: u8) -> String {
        let index = i64::from(day.epoch_days()) * 24 + i64::from(hour);
        let mut random =
            ChaCha8Rng::seed_from_u64(self.seed ^ index.unsigned_abs().rotate_left(17));
        // Nights and weekends are quiet.
        let awake = [
            2_u32, 1, 1, 1, 2, 4, 8, 14, 18, 20, 20, 18, 17, 18, 19, 19, 18, 15, 12, 9, 7, 6, 4, 3,
        ];
        let weight = awake.get(usize::from(hour)).copied().unwrap_or(10);
        let weight = if day.weekday() >= 5 { weight / 3 + 1 } else { weight };
        let rows = (self.rows_per_hour * weight).div_ceil(10).max(1);
        let start = day.start_micros() + i64::from(hour) * Grain::Hour.micros();
        let mut lines = String::new();
        for row in 0..rows {
            let at = start + random.random_range(0..Grain::Hour.micros());
            self.call(&mut random, &mut lines, at, row);
        }
        lines
    }

    fn call(&self, random: &mut ChaCha8Rng, lines: &mut String, at: i64, row: u32) {
        // The square of a random number makes the first organizations the largest.
        let share: f64 = random.random();
        let organization = (share * share * f64::from(self.organizations)).floor();
        let model = MODELS.choose_weighted(random, |model| model.2);
        let operation = OPERATIONS.choose_weighted(random, |operation| operation.1);
        let (Ok(Model(model, provider, _, prices)), Ok((operation, _))) = (model, operation) else {
            return;
        };
        let failed = random.random_ratio(1, 50);
        let input: u64 = random.random_range(50..12_000);
        let cached =
            if random.random_ratio(2, 5) { input * random.random_range(10..95) / 100 } else { 0 };
        let output: u64 = if failed { 0 } else { random.random_range(5..1_500) };
        let [price, cached_price, output_price] = prices;
        // The unit is a billionth of a dollar, so that every digit is exact.
        let cost = (input - cached) * price + cached * cached_price + output * output_price;
        let cost = match (price, failed) {
            (0, _) => "null".to_owned(),
            (_, true) => "0".to_owned(),
            _ => format!("{}.{:09}", cost / 1_000_000_000, cost % 1_000_000_000),
        };
        let status = if failed { "error" } else { "ok" };
        let user = random.random_range(0..40);
        let latency = random.random_range(80..9_000);
        let written = writeln!(
            lines,
            "{{\"timestamp\":{at},\"request_id\":\"{at:x}-{row}\",\"organization_id\":\"org-{organization:03}\",\
             \"user_id\":\"user-{user}\",\"operation\":\"{operation}\",\"provider\":\"{provider}\",\
             \"model\":\"{model}\",\"status\":\"{status}\",\"input_tokens\":{input},\
             \"cached_tokens\":{cached},\"output_tokens\":{output},\"cost\":{cost},\
             \"latency_ms\":{latency}}}"
        );
        debug_assert!(written.is_ok(), "writing to a string");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hour_is_the_same_for_ever() {
        let log = SampleLog { seed: 7, organizations: 5, rows_per_hour: 20 };
        let day = Day::from_epoch_days(20_000);
        assert_eq!(log.hour(day, 9), log.hour(day, 9));
        assert_ne!(log.hour(day, 9), log.hour(day, 10));
        assert_eq!(
            blake3::hash(log.hour(day, 9).as_bytes()).to_hex().as_str(),
            "48ba7291505d7499b60d3640794f86a80a4d6da545d9ebe9cd4b7c87324a3b1c"
        );
    }
}

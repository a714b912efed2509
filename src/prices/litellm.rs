//! Reads the shape of LiteLLM's `model_prices_and_context_window.json`: an object with a model a
//! key, and prices a token. A key may begin with the provider: `azure/gpt-4o`.

use serde_json::{Map, Value};

use super::{
    condition::Condition,
    entry::Entry,
    rate::{Rate, Rates, SizedRate, TokenClass},
};

/// The key of an entry that describes the fields.
pub(super) const SAMPLE: &str = "sample_spec";

/// Ends of a field's name, each with the tier whose rate it is.
const TIERS: [(&str, &str); 3] =
    [("_batches", "batch"), ("_priority", "priority"), ("_flex", "flex")];

/// A rate of an entry: its class, the tier, and the threshold above which it counts.
struct Field<'k> {
    class: TokenClass,
    tier: Option<&'static str>,
    above: Option<i64>,
    key: &'k str,
}

/// Fields that make a call cost more than its tokens say.
const BESIDE_TOKENS: [(&str, &str); 3] = [
    ("output_cost_per_image_token", "tokens of images"),
    ("output_cost_per_audio_token", "tokens of audio"),
    ("input_cost_per_request", "requests"),
];

/// Reads a model.
pub(super) fn entry(key: &str, fields: &Map<String, Value>) -> Entry {
    let name = key.to_lowercase();
    let maker_names = if name.contains('/') { Vec::new() } else { vec![name.clone()] };
    // `azure/eu/gpt-4o` has a price of its own: only the provider is taken off.
    let bare_names = name.split_once('/').map(|(_, rest)| rest.to_owned());
    let provider = fields.get("litellm_provider").and_then(Value::as_str).unwrap_or_default();
    let (standard, tiers, unknown) = match prices(fields) {
        Ok((standard, tiers)) => (standard, tiers, None),
        Err(reason) => (Vec::new(), Vec::new(), Some(reason)),
    };
    let is_priced = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
    let beside = BESIDE_TOKENS.iter().find(|(key, _)| is_priced(key));
    let beside = beside.map(|(_, what)| format!("its {what}, which the log doesn't count"));
    Entry {
        provider: provider.to_lowercase(),
        names: vec![name],
        maker_names,
        bare_names: bare_names.into_iter().collect(),
        standard,
        tiers,
        unknown: unknown.or(beside),
    }
}

/// The rates of tiers, by their names.
type Tiers = Vec<(String, Condition, Rates)>;

/// The standard rates of a model, and those of tiers.
///
/// # Errors
/// What has no price, and why.
fn prices(fields: &Map<String, Value>) -> Result<(Vec<(Condition, Rates)>, Tiers), String> {
    let (standard, tiers) = plain_prices(fields).map_err(|reason| format!("tokens ({reason})"))?;
    if standard.is_empty() {
        return Err("tokens".to_owned());
    }
    let mut standard = vec![(Condition::Always, standard)];
    match fields.get("off_peak_pricing") {
        None | Some(Value::Null) => {}
        Some(block) => {
            let cheaper = off_peak(block, &standard);
            standard.push(cheaper.ok_or_else(|| format!("its hours: {block}"))?);
        }
    }
    Ok((standard, tiers))
}

/// The standard rates at any time, and those of tiers.
fn plain_prices(fields: &Map<String, Value>) -> Result<(Rates, Tiers), String> {
    let mut found: Vec<_> = fields.keys().filter_map(|key| field(key)).collect();
    found.retain(|field| fields.get(field.key).is_some_and(|value| !value.is_null()));
    let mut standard = of_tier(&found, fields, None, &Rates::default())?;
    match fields.get("tiered_pricing") {
        None | Some(Value::Null) => {}
        Some(sizes) => add_sizes(&mut standard, sizes)?,
    }
    let mut tiers = Vec::new();
    for (_, tier) in TIERS {
        let rates = of_tier(&found, fields, Some(tier), &standard)?;
        if !rates.is_empty() {
            tiers.push((tier.to_owned(), Condition::Always, rates));
        }
    }
    // Claude's fast mode multiplies all rates.
    let factor = fields.get("provider_specific_entry").and_then(|it| it.get("fast"));
    if let Some(factor) = factor.filter(|factor| factor.is_number()) {
        tiers.push(("fast".to_owned(), Condition::Always, times(&standard, factor)?));
    }
    Ok((standard, tiers))
}

/// What a field prices; `None` for fields that are no rates of tokens.
fn field(key: &str) -> Option<Field<'_>> {
    let (mut name, mut tier, mut above) = (key, None, None);
    loop {
        if let Some((end, found)) = TIERS.iter().find(|(end, _)| name.ends_with(end)) {
            (name, tier) = (name.strip_suffix(end)?, Some(*found));
        } else if let Some(sized) = name.strip_suffix("k_tokens") {
            let (rest, thousands) = sized.rsplit_once("_above_")?;
            let thousands: u32 = thousands.parse().ok()?;
            (name, above) = (rest, Some(i64::from(thousands) * 1000));
        } else {
            break;
        }
    }
    let class = match name {
        "input_cost_per_token" => TokenClass::Input,
        "cache_read_input_token_cost" => TokenClass::CacheRead,
        "cache_creation_input_token_cost" => TokenClass::CacheWrite,
        "cache_creation_input_token_cost_above_1hr" => TokenClass::CacheWriteHour,
        "output_cost_per_token" => TokenClass::Output,
        "output_cost_per_reasoning_token" => TokenClass::Reasoning,
        _ => return None,
    };
    Some(Field { class, tier, above, key })
}

/// The rates of one tier. A rate for large prompts alone has the base of `standard`.
fn of_tier(
    found: &[Field<'_>],
    fields: &Map<String, Value>,
    tier: Option<&str>,
    standard: &Rates,
) -> Result<Rates, String> {
    let mut rates = Rates::default();
    for class in TokenClass::ALL {
        let of_class = found.iter().filter(|field| field.class == class && field.tier == tier);
        let known = |class| rates.get(class).or_else(|| standard.get(class)).map(|rate| rate.base);
        let mut base = known(class).or_else(|| known(class.instead()?));
        let (mut above, mut has_own) = (Vec::new(), false);
        for field in of_class {
            let rate = rate_of(fields, field.key)?;
            has_own = true;
            match field.above {
                None => base = Some(rate),
                Some(threshold) => above.push((threshold, rate)),
            }
        }
        if has_own {
            let missing = || format!("{} tokens of small prompts have no price", class.name());
            above.sort_by_key(|(threshold, _)| *threshold);
            rates.set(class, SizedRate { base: base.ok_or_else(missing)?, above });
        }
    }
    Ok(rates)
}

fn rate_of(fields: &Map<String, Value>, key: &str) -> Result<Rate, String> {
    let value = fields.get(key).unwrap_or(&Value::Null);
    Rate::of(value, 1).map_err(|reason| format!("{key}: {reason}"))
}

/// Adds rates by ranges of input tokens: `{"range": [0, 32000], "input_cost_per_token": …}`.
fn add_sizes(rates: &mut Rates, sizes: &Value) -> Result<(), String> {
    let sizes = sizes.as_array().ok_or("tiered_pricing: it is no list")?;
    let mut by_class: [Vec<(i64, Rate)>; 6] = Default::default();
    for size in sizes {
        let size = size.as_object().ok_or("tiered_pricing: a range is no object")?;
        let from = size.get("range").and_then(|range| range.get(0)).and_then(as_whole);
        let from = from.ok_or("tiered_pricing: a range has no whole start")?;
        for key in size.keys() {
            let plain = field(key).filter(|field| field.tier.is_none() && field.above.is_none());
            if let Some(field) = plain
                && let Some(of_class) = by_class.get_mut(field.class as usize)
            {
                of_class.push((from, rate_of(size, key)?));
            }
        }
    }
    for (class, mut of_class) in TokenClass::ALL.into_iter().zip(by_class) {
        of_class.sort_by_key(|(from, _)| *from);
        if let Some(((from, base), above)) = of_class.split_first() {
            if *from != 0 {
                return Err("tiered_pricing: the first range doesn't begin at 0".to_owned());
            }
            rates.set(class, SizedRate { base: *base, above: above.to_vec() });
        }
    }
    Ok(())
}

/// A whole number, which may be written as `32000.0`.
fn as_whole(value: &Value) -> Option<i64> {
    let text = value.as_number()?.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

/// The rates of `{"hours_utc": "16:30-00:30", …}`; `None` for a block with anything else in it.
fn off_peak(block: &Value, standard: &[(Condition, Rates)]) -> Option<(Condition, Rates)> {
    let block = block.as_object()?;
    let (start, end) = block.get("hours_utc")?.as_str()?.split_once('-')?;
    let condition = Condition::daily(start, end).ok()?;
    let mut rates = standard.first()?.1.clone();
    for key in block.keys().filter(|key| *key != "hours_utc") {
        let plain = field(key).filter(|field| field.tier.is_none() && field.above.is_none())?;
        let base = rate_of(block, key).ok()?;
        rates.set(plain.class, SizedRate { base, above: Vec::new() });
    }
    Some((condition, rates))
}

fn times(rates: &Rates, factor: &Value) -> Result<Rates, String> {
    let mut product = Rates::default();
    for class in TokenClass::ALL {
        let Some(rate) = rates.get(class) else { continue };
        let above = rate.above.iter().map(|(from, rate)| Ok((*from, rate.times(factor)?)));
        let above = above.collect::<Result<_, String>>()?;
        product.set(class, SizedRate { base: rate.base.times(factor)?, above });
    }
    Ok(product)
}

//! Reads the shape of `genai-prices`: providers with their models, each with rules for its names
//! and prices for a million tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    condition::Condition,
    entry::Entry,
    provider::canonical,
    rate::{Rate, Rates, SizedRate, TokenClass},
};

/// The unit of prices, in tokens.
const MILLION: u64 = 1_000_000;

#[derive(Deserialize)]
pub(super) struct Provider {
    id: String,
    /// Which models this provider made.
    model_match: Option<Match>,
    /// Providers whose models this one sells, too, at their price.
    #[serde(default)]
    fallback_model_providers: Vec<String>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    r#match: Match,
    prices: Prices,
    #[serde(default)]
    price_variants: Vec<Variant>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Prices {
    Conditional(Vec<Conditional>),
    Always(BTreeMap<String, Value>),
}

#[derive(Deserialize)]
struct Conditional {
    constraint: Option<Constraint>,
    prices: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Variant {
    when: BTreeMap<String, String>,
    constraint: Option<Constraint>,
    prices: BTreeMap<String, Value>,
}

/// When a price counts. Any other combination is one that this program doesn't know.
#[derive(Deserialize)]
#[serde(untagged)]
enum Constraint {
    Since(Since),
    Daily(Daily),
    Other(BTreeMap<String, Value>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    start_date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Daily {
    start_time: String,
    end_time: String,
}

/// Units that make a call cost more than its tokens say.
const BESIDE_TOKENS: [(&str, &str); 4] = [
    ("output_image_mtok", "tokens of images"),
    ("output_audio_mtok", "tokens of audio"),
    ("output_video_mtok", "tokens of video"),
    ("requests_kcount", "requests"),
];

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Match {
    And(Vec<Self>),
    Or(Vec<Self>),
    Contains(String),
    EndsWith(String),
    Equals(String),
    Regex(String),
    StartsWith(String),
}

impl Match {
    /// The texts of the rule. A name of a model is compared with each as a whole.
    fn texts<'m>(&'m self, texts: &mut Vec<&'m str>) {
        match self {
            Self::And(rules) | Self::Or(rules) => {
                for rule in rules {
                    rule.texts(texts);
                }
            }
            Self::Contains(text)
            | Self::EndsWith(text)
            | Self::Equals(text)
            | Self::StartsWith(text) => texts.push(text),
            Self::Regex(_) => {}
        }
    }

    /// Whether the rule is met by a name in lower case.
    fn is_met(&self, name: &str) -> bool {
        match self {
            Self::And(rules) => rules.iter().all(|rule| rule.is_met(name)),
            Self::Or(rules) => rules.iter().any(|rule| rule.is_met(name)),
            Self::Contains(text) => name.contains(&text.to_lowercase()),
            Self::EndsWith(text) => name.ends_with(&text.to_lowercase()),
            Self::Equals(text) => name == text.to_lowercase(),
            Self::StartsWith(text) => name.starts_with(&text.to_lowercase()),
            // Some expressions look ahead, which needs another kind of engine.
            Self::Regex(text) => regex::Regex::new(text).is_ok_and(|regex| regex.is_match(name)),
        }
    }
}

impl Provider {
    /// The provider's models, and the providers whose models it sells, too.
    pub(super) fn read(&self) -> (Vec<Entry>, (String, Vec<String>)) {
        let entries = self.models.iter().map(|model| self.entry(model)).collect();
        let others = self.fallback_model_providers.iter().map(|other| canonical(other));
        (entries, (canonical(&self.id), others.collect()))
    }

    fn entry(&self, model: &Model) -> Entry {
        let mut texts = vec![model.id.as_str()];
        model.r#match.texts(&mut texts);
        let names = texts.iter().map(|text| {
            // `claude-sonnet-4@` is a rule for the beginning of a name that goes on with a date.
            text.to_lowercase().trim_end_matches(['-', '@', ':', '.']).to_owned()
        });
        let mut names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        names.dedup();
        let rule = self.model_match.as_ref();
        let made = names.iter().filter(|name| rule.is_some_and(|rule| rule.is_met(name)));
        let (maker_names, provider) = (made.cloned().collect(), self.id.to_lowercase());
        let read = standard(model).and_then(|rates| Ok((rates, tiers(&model.price_variants)?)));
        let (standard, tiers, unknown) = match read {
            Ok((standard, tiers)) => (standard, tiers, model.prices.beside_tokens()),
            Err(reason) => (Vec::new(), Vec::new(), Some(format!("tokens ({reason})"))),
        };
        let is_empty = standard.iter().all(|(_, rates)| rates.is_empty());
        let unknown = unknown.or_else(|| is_empty.then(|| "tokens".to_owned()));
        Entry { provider, names, maker_names, bare_names: Vec::new(), standard, tiers, unknown }
    }
}

impl Prices {
    /// What calls cost beside their tokens.
    fn beside_tokens(&self) -> Option<String> {
        let prices: Vec<_> = match self {
            Self::Always(prices) => vec![prices],
            Self::Conditional(prices) => prices.iter().map(|it| &it.prices).collect(),
        };
        let has = |key: &str| prices.iter().any(|prices| prices.contains_key(key));
        let unit = BESIDE_TOKENS.iter().find(|(key, _)| has(key));
        unit.map(|(_, what)| format!("its {what}, which the log doesn't count"))
    }
}

/// The standard rates of a model. A free model has no prices.
fn standard(model: &Model) -> Result<Vec<(Condition, Rates)>, String> {
    match &model.prices {
        Prices::Always(prices) if prices.is_empty() && model.id.ends_with(":free") => {
            Ok(vec![(Condition::Always, Rates::free())])
        }
        Prices::Always(prices) => Ok(vec![(Condition::Always, rates(prices)?)]),
        Prices::Conditional(prices) => prices
            .iter()
            .map(|it| Ok((condition(it.constraint.as_ref())?, rates(&it.prices)?)))
            .collect(),
    }
}

/// The rates of tiers. Variants for anything else, such as a region, are left out.
fn tiers(variants: &[Variant]) -> Result<Vec<(String, Condition, Rates)>, String> {
    let mut tiers = Vec::new();
    for variant in variants {
        let mut when = variant.when.iter();
        if let (Some((key, value)), None) = (when.next(), when.next())
            && matches!(key.as_str(), "service_tier" | "processing")
        {
            let condition = condition(variant.constraint.as_ref())?;
            tiers.push((value.to_lowercase(), condition, rates(&variant.prices)?));
        }
    }
    Ok(tiers)
}

fn condition(constraint: Option<&Constraint>) -> Result<Condition, String> {
    match constraint {
        None => Ok(Condition::Always),
        Some(Constraint::Daily(Daily { start_time, end_time })) => {
            Condition::daily(start_time, end_time)
        }
        Some(Constraint::Since(Since { start_date })) => {
            start_date.parse().map(Condition::Since).map_err(|error| format!("{error}"))
        }
        Some(Constraint::Other(fields)) => {
            let names: Vec<_> = fields.keys().map(String::as_str).collect();
            Err(format!("a constraint of {} isn't known", names.join(" and ")))
        }
    }
}

fn rates(prices: &BTreeMap<String, Value>) -> Result<Rates, String> {
    let mut rates = Rates::default();
    for (key, price) in prices {
        let class = match key.as_str() {
            "input_mtok" => TokenClass::Input,
            "cache_read_mtok" => TokenClass::CacheRead,
            "cache_write_mtok" => TokenClass::CacheWrite,
            "cache_write_1h_mtok" => TokenClass::CacheWriteHour,
            "output_mtok" => TokenClass::Output,
            "output_reasoning_mtok" => TokenClass::Reasoning,
            _ => continue,
        };
        rates.set(class, sized(price).map_err(|reason| format!("{key}: {reason}"))?);
    }
    Ok(rates)
}

fn sized(price: &Value) -> Result<SizedRate, String> {
    let Value::Object(fields) = price else {
        return Ok(SizedRate { base: Rate::of(price, MILLION)?, above: Vec::new() });
    };
    let base = Rate::of(fields.get("base").unwrap_or(&Value::Null), MILLION)?;
    let tiers = fields.get("tiers").and_then(Value::as_array);
    let tiers = tiers.filter(|_| fields.len() == 2).ok_or("a price is no base with tiers")?;
    let above = tiers.iter().map(|tier| {
        let start = tier.get("start").and_then(Value::as_i64);
        let start = start.ok_or_else(|| format!("{tier} has no whole start"))?;
        Ok::<_, String>((start, Rate::of(tier.get("price").unwrap_or(&Value::Null), MILLION)?))
    });
    let mut above: Vec<_> = above.collect::<Result<_, _>>()?;
    above.sort_by_key(|(start, _)| *start);
    Ok(SizedRate { base, above })
}

//! Tests of price tables in both shapes, and of costs by them.

use serde_json::json;

use super::*;
use crate::prices::{
    call::{Tokens, cost},
    entry::Assumed,
};

/// A table in LiteLLM's shape.
fn litellm(models: &Value) -> PriceTable {
    PriceTable::parse(&models.to_string(), "prices.json").unwrap()
}

fn micros(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros()
}

const NOON: &str = "2026-11-01T12:00:00Z";

fn tokens(input: i64, cached: i64, written: i64, hour: Option<i64>, output: i64) -> Tokens {
    let [input, cached, written, output] = [input, cached, written, output].map(Some);
    Tokens { input, cached, written, written_hour: hour, output, reasoning: None }
}

/// The cost of a call in units of 10⁻¹² dollars, or the reason why it has none.
fn price(
    table: &PriceTable,
    (model, provider, tier, time): (&str, Option<&str>, Option<&str>, &str),
    tokens: Tokens,
) -> Result<i128, String> {
    let found = table.find(model, provider).map_err(|reason| reason.to_string())?;
    let tier = tier.map(|tier| (tier, found.has_tiers));
    let rates = found.entry.rates(tier, micros(time)).map_err(|reason| reason.to_string())?;
    cost(tokens, rates).map(|cost| cost.priced).map_err(|reason| reason.to_string())
}

const MICRO_DOLLAR: i128 = 1_000_000;

#[test]
fn every_class_has_its_rate() {
    let table = litellm(&json!({"m": {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5,
        "cache_read_input_token_cost": 1e-7, "cache_creation_input_token_cost": 2e-6,
        "cache_creation_input_token_cost_above_1hr": 3e-6,
        "output_cost_per_reasoning_token": 2e-5, "litellm_provider": "p",
    }}));
    let call = Tokens { reasoning: Some(4), ..tokens(100, 10, 30, Some(20), 9) };
    // 60 at 1, 10 at 0.1, 10 at 2, 20 at 3, 5 at 10 and 4 at 20 micro-dollars.
    let expected = (60 + 1 + 20 + 60 + 50 + 80) * MICRO_DOLLAR;
    assert_eq!(price(&table, ("m", None, None, NOON), call), Ok(expected));
    let entry = table.find("m", None).unwrap().entry;
    let counted = cost(call, entry.rates(None, 0).unwrap()).unwrap();
    assert_eq!(counted.uncached, (100 + 50 + 80) * MICRO_DOLLAR);
    assert_eq!(counted.assumed, []);
}

#[test]
fn missing_rates_are_those_of_the_wider_class() {
    let table = litellm(&json!({"m": {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "litellm_provider": "p",
    }}));
    let call = Tokens { reasoning: Some(4), ..tokens(100, 10, 30, Some(20), 9) };
    let at = ("m", None, None, NOON);
    assert_eq!(price(&table, at, call), Ok((100 + 90) * MICRO_DOLLAR));
}

#[test]
fn the_whole_call_has_the_rates_of_its_size() {
    let table = litellm(&json!({"m": {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5,
        "input_cost_per_token_above_100k_tokens": 5e-6,
        "output_cost_per_token_above_100k_tokens": 2e-5,
        "input_cost_per_token_batches": 5e-7, "litellm_provider": "p",
    }}));
    let at = |tier| ("m", None, tier, NOON);
    let of = |input| tokens(input, 0, 0, None, 1);
    assert_eq!(price(&table, at(None), of(100_000)), Ok(100_010 * MICRO_DOLLAR));
    assert_eq!(price(&table, at(None), of(100_001)), Ok((500_005 + 20) * MICRO_DOLLAR));
    // The batch has a rate of input, which no size changes, and none of output.
    let half = 100_001 * MICRO_DOLLAR / 2;
    assert_eq!(price(&table, at(Some("batch")), of(100_001)), Ok(half + 20 * MICRO_DOLLAR));
}

#[test]
fn unknown_tiers_have_no_price_and_sold_ones_the_standard_rate() {
    let table = litellm(&json!({"m": {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5,
        "input_cost_per_token_flex": 5e-7, "provider_specific_entry": {"fast": 6.0, "us": 1.1},
        "litellm_provider": "p",
    }}));
    let call = tokens(10, 0, 0, None, 1);
    for (tier, expected) in [
        (None, Some(20)),
        (Some("default"), Some(20)),
        (Some("standard"), Some(20)),
        (Some("flex"), Some(15)),
        (Some("priority"), Some(20)),
        (Some("fast"), Some(120)),
        (Some("incentivized-tier"), None),
        (Some("us"), None),
    ] {
        let found = price(&table, ("m", None, tier, NOON), call).ok();
        assert_eq!(found, expected.map(|cost: i128| cost * MICRO_DOLLAR), "{tier:?}");
    }
    let entry = table.find("m", None).unwrap().entry;
    let assumed = cost(call, entry.rates(Some(("priority", true)), 0).unwrap()).unwrap().assumed;
    let [model, tier] = ["m", "priority"].map(str::to_owned);
    assert_eq!(assumed, [Assumed::StandardTier { model, tier }]);
}

#[test]
fn what_is_unknown_or_odd_has_no_price() {
    let table = litellm(&json!({
        "m": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "litellm_provider": "p"},
        "embed": {"input_cost_per_token": 1e-6, "output_cost_per_token": 0, "litellm_provider": "p"},
        "image": {"output_cost_per_image": 0.04, "litellm_provider": "p"},
        "night": {"input_cost_per_token": 1e-6, "off_peak_pricing": {"hours_utc": "1-2", "day": 3}},
    }));
    let call = tokens(10, 0, 0, None, 1);
    let of = |model: &str, tokens| price(&table, (model, None, None, NOON), tokens).unwrap_err();
    assert_eq!(of("other", call), "model `other` is not in the price table");
    assert_eq!(of("m", Tokens { output: None, ..call }), "the number of output tokens is unknown");
    assert_eq!(of("m", Tokens { input: None, ..call }), "the number of input tokens is unknown");
    for odd in [
        Tokens { cached: Some(11), ..call },
        Tokens { cached: Some(6), written: Some(5), ..call },
        Tokens { written: Some(5), written_hour: Some(6), ..call },
        Tokens { reasoning: Some(2), ..call },
        Tokens { cached: Some(-1), ..call },
        Tokens { input: Some(-5), ..call },
    ] {
        assert_eq!(of("m", odd), "token counts that contradict each other");
    }
    assert_eq!(of("image", call), "model `image` has no price for tokens");
    assert!(of("night", call).starts_with("model `night` has no price for its hours"));
    let most = Tokens { input: Some(i64::MAX), ..call };
    assert_eq!(of("m", most), "a cost beyond what the column holds");
    let embedding = Tokens { output: None, ..call };
    let found = price(&table, ("embed", None, None, NOON), embedding);
    assert_eq!(found, Ok(10 * MICRO_DOLLAR));
}

#[test]
fn hours_and_sizes_of_litellm() {
    let table = litellm(&json!({"m": {
        "tiered_pricing": [
            {"range": [0, 1000.0], "input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6},
            {"range": [1000, 9000], "input_cost_per_token": 5e-6, "output_cost_per_token": 4e-6},
        ],
        "off_peak_pricing": {"hours_utc": "16:30-00:30", "input_cost_per_token": 1e-6},
        "litellm_provider": "p",
    }}));
    for (time, input, expected) in [
        (NOON, 1000, 3004),
        (NOON, 1001, 5009),
        ("2026-11-01T16:30:00Z", 1001, 1005),
        ("2026-11-02T00:30:00Z", 1000, 3004),
    ] {
        let found = price(&table, ("m", None, None, time), tokens(input, 0, 0, None, 1));
        assert_eq!(found, Ok(expected * MICRO_DOLLAR), "{time} {input}");
    }
}

#[test]
fn a_model_is_found_by_its_provider() {
    let rates = |rate: f64, provider: &str| json!({"input_cost_per_token": rate, "output_cost_per_token": 0, "litellm_provider": provider});
    let table = litellm(&json!({
        "m-1": rates(1e-6, "openai"),
        "azure/m-1": rates(2e-6, "azure"),
        "anthropic.m-2": rates(3e-6, "bedrock_converse"),
        "gemini/m-3": rates(4e-6, "gemini"),
        "a/m-4": rates(5e-6, "a"),
        "b/m-4": rates(6e-6, "b"),
        "sample_spec": {"litellm_provider": "one of"},
    }));
    let call = tokens(1, 0, 0, None, 0);
    for (model, provider, expected) in [
        ("m-1", None, Some(1)),
        ("M-1", Some("OpenAI"), Some(1)),
        ("m-1-2026-03-05", Some("openai"), Some(1)),
        ("m-1", Some("azure.ai.openai"), Some(2)),
        ("azure/m-1", None, Some(2)),
        ("openai/m-1", None, Some(1)),
        ("m-1", Some("a gateway of ours"), Some(1)),
        ("us.anthropic.m-2-20260101-v1:0", Some("bedrock"), Some(3)),
        ("m-3", None, Some(4)),
        ("m-3", Some("vertex_ai"), Some(4)),
        ("m-3", Some("openai"), None),
        ("m-4", None, None),
        ("m-4", Some("b"), Some(6)),
        ("m", None, None),
        ("m-1-mini", None, None),
        ("sample_spec", None, None),
    ] {
        let found = price(&table, (model, provider, None, NOON), call).ok();
        assert_eq!(found, expected.map(|cost: i128| cost * MICRO_DOLLAR), "{model} {provider:?}");
    }
}

#[test]
fn what_is_no_price_table_is_refused() {
    for (text, reason) in [
        ("", "p.json: is no price table"),
        ("[1]", "p.json: is no price table"),
        ("3", "p.json: is no price table"),
        ("{}", "p.json: no model has a price for tokens"),
        (r#"{"m": 3}"#, "p.json: model `m` has no prices"),
        (r#"{"m": {"input_cost_per_token": "x"}}"#, "p.json: no model has a price for tokens"),
    ] {
        let error = PriceTable::parse(text, "p.json").unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}

#[test]
fn a_model_that_cannot_be_read_has_no_price_and_the_others_have() {
    let good = json!({"input_cost_per_token": 1e-6, "output_cost_per_token": 0});
    let with = |key: &str, value: Value| {
        let mut fields = good.clone();
        fields[key] = value;
        fields
    };
    let table = litellm(&json!({
        "good": good,
        "text": with("input_cost_per_token", json!("x")),
        "negative": with("input_cost_per_token", json!(-1)),
        "ranges": with("tiered_pricing", json!([{"range": [5, 9], "input_cost_per_token": 1}])),
        "images": with("output_cost_per_image_token", json!(1e-5)),
        "requests": with("input_cost_per_request", json!(0.01)),
        "writes": with("cache_creation_input_token_cost_above_200k_tokens", json!(5e-6)),
        "always": with("off_peak_pricing", json!({"hours_utc": "00:00-00:00", "input_cost_per_token": 2e-6})),
        "odd": with("input_cost_per_token_above_-1k_tokens", json!(9)),
    }));
    let call = tokens(1, 0, 0, None, 0);
    for (model, expected) in [
        ("good", Some(1)),
        ("text", None),
        ("negative", None),
        ("ranges", None),
        ("images", None),
        ("requests", None),
        ("writes", Some(1)),
        ("always", Some(2)),
        ("odd", Some(1)),
    ] {
        let found = price(&table, (model, None, None, NOON), call).ok();
        assert_eq!(found, expected.map(|cost: i128| cost * MICRO_DOLLAR), "{model}");
    }
    let written = price(&table, ("writes", None, None, NOON), tokens(2, 0, 1, None, 0));
    assert_eq!(written, Ok(2 * MICRO_DOLLAR), "a write costs as input");
}

#[test]
fn regions_makers_and_names_of_providers_are_told_apart() {
    let rates = |rate: f64, provider: &str| json!({"input_cost_per_token": rate, "output_cost_per_token": 0, "litellm_provider": provider});
    let table = litellm(&json!({
        "azure/eu/m-1": rates(2e-6, "azure"),
        "azure/m-1": rates(1e-6, "azure"),
        "vertex/m-2": rates(5e-6, "vertex_ai-language-models"),
        "gemini/m-2": rates(4e-6, "gemini"),
        "m-3": rates(3e-6, "maker"),
        "seller/m-3-20260101": rates(9e-6, "seller"),
        "seller/m-5": rates(9e-6, "seller"),
    }));
    let call = tokens(1, 0, 0, None, 0);
    for (model, provider, expected) in [
        ("m-1", Some("azure"), Some(1)),
        ("eu/m-1", Some("azure"), Some(2)),
        ("m-2", Some("gemini"), Some(4)),
        ("m-2", Some("google"), None),
        ("m-3-20260101", None, Some(3)),
        ("m-3-20260101", Some("seller"), Some(9)),
        ("m-3-20260101", Some("a gateway"), Some(3)),
        ("m-5", None, Some(9)),
        ("m-5", Some("a gateway"), None),
    ] {
        let found = price(&table, (model, provider, None, NOON), call).ok();
        assert_eq!(found, expected.map(|cost: i128| cost * MICRO_DOLLAR), "{model} {provider:?}");
    }
    let assumed = table.find("m-3", Some("a gateway")).unwrap().assumed.unwrap().to_string();
    assert!(assumed.ends_with("the table doesn't know provider `a gateway`"), "{assumed}");
}

#[path = "genai_prices_tests.rs"]
mod genai_prices;

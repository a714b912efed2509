//! Tests of the shape of `genai-prices`, and of the table that comes with the program.

use serde_json::json;

use super::*;

#[test]
fn start_dates_tiers_and_free_models_of_genai_prices() {
    let table = json!([{
        "id": "acme", "model_match": {"contains": "a-"},
        "models": [
            {"id": "a-1", "match": {"or": [{"starts_with": "a-1@"}, {"equals": "a-one"}]},
             "prices": [
                {"prices": {"input_mtok": 2, "output_mtok": 0}},
                {"constraint": {"start_date": "2026-10-14"},
                 "prices": {"input_mtok": {"base": 1, "tiers": [{"start": 200, "price": 3}]},
                            "output_mtok": 0}}],
             "price_variants": [
                {"when": {"processing": "batch"}, "prices": {"input_mtok": 0.5},
                 "constraint": {"start_date": "2026-10-14"}},
                {"when": {"region": "eu"}, "prices": {"input_mtok": 9}}]},
            {"id": "b-1:free", "match": {"equals": "b-1:free"}, "prices": {}},
            {"id": "c-1", "match": {"equals": "c-1"}, "prices": {}},
        ],
    }, {"id": "reseller", "fallback_model_providers": ["acme"], "models": [
        {"id": "d-1", "match": {"equals": "d-1"}, "prices": {"input_mtok": 7, "output_mtok": 0}}]}]);
    let table = PriceTable::parse(&table.to_string(), "folder/list.json").unwrap();
    assert!(table.id().starts_with("list.json@") && table.id().len() == "list.json@".len() + 8);
    let call = |input| tokens(input, 0, 0, None, 0);
    let old = "2026-10-13T23:59:59.999999Z";
    let new = "2026-10-14T00:00:00Z";
    for (model, provider, tier, time, input, expected) in [
        ("a-1", None, None, old, 100, Some(200)),
        ("a-1", None, None, new, 200, Some(200)),
        ("a-one", None, None, new, 201, Some(603)),
        ("a-1@20260101", None, None, new, 1, Some(1)),
        ("a-1", None, Some("batch"), new, 2, Some(1)),
        // A tier that is priced later has no price yet.
        ("a-1", None, Some("batch"), old, 2, None),
        ("a-1", Some("reseller"), Some("batch"), new, 2, Some(2)),
        ("a-1", Some("reseller"), None, new, 2, Some(2)),
        ("b-1:free", None, None, new, 2, Some(0)),
        ("c-1", None, None, new, 2, None),
        ("a-1x", None, None, new, 2, None),
    ] {
        let found = price(&table, (model, provider, tier, time), call(input)).ok();
        assert_eq!(
            found,
            expected.map(|cost: i128| cost * MICRO_DOLLAR),
            "{model} {tier:?} {time}"
        );
    }
}

/// The prices were looked up in the table's text.
#[test]
fn the_shipped_table_has_prices() {
    let table = PriceTable::shipped().unwrap();
    assert_eq!(table.id(), "genai-prices-2026-10-30");
    let call = tokens(1_000_000, 0, 0, None, 0);
    for (model, provider, dollars) in [
        ("claude-haiku-4-5-20251001", Some("anthropic"), 1),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", Some("aws.bedrock"), 0),
        ("claude-opus-4-5@20251101", Some("gcp.vertex_ai"), 5),
        ("gpt-4o-2024-08-06", Some("azure"), 0),
        ("gpt-5.4", None, 5),
        ("gemini-2.5-pro", None, 0),
        ("o3", Some("openai"), 2),
        // Bedrock lists this name with its date, at another price.
        ("claude-haiku-4-5-20251001", None, 1),
        ("claude-haiku-4-5-20251001", Some("a gateway"), 1),
    ] {
        let found = price(&table, (model, provider, None, NOON), call);
        for (model, provider) in
            [("gemini-2.5-flash-image", None), ("sonar-pro", None), ("qwen-max", Some("alibaba"))]
        {
            let found = price(&table, (model, provider, None, NOON), call);
            assert!(found.is_err(), "{model}: {found:?}");
        }
        if dollars > 0 {
            assert_eq!(found, Ok(dollars * 1_000_000 * MICRO_DOLLAR), "{model}");
        } else {
            assert!(found.is_ok(), "{model}: {found:?}");
        }
    }
}

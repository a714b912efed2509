//! A definition as its TOML has it, before it is checked.

use serde::Deserialize;
use toml::Spanned;

use crate::base::Grain;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) format: Option<u32>,
    pub(super) name: Spanned<String>,
    pub(super) table: Spanned<String>,
    pub(super) time: Spanned<String>,
    #[serde(default)]
    pub(super) sort: Vec<Spanned<String>>,
    pub(super) batch: Option<Spanned<String>>,
    pub(super) columns: Vec<ColumnEntry>,
    #[serde(default)]
    pub(super) warn: Vec<Spanned<String>>,
    pub(super) unique: Option<UniqueEntry>,
    pub(super) prices: Option<PricesEntry>,
    #[serde(default)]
    pub(super) rollup: Vec<RollupEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnEntry {
    pub(super) name: Spanned<String>,
    pub(super) r#type: Spanned<String>,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) ratio: Option<Spanned<(String, String)>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UniqueEntry {
    pub(super) key: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) same: Vec<Spanned<String>>,
    pub(super) prefer: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PricesEntry {
    pub(super) cost: Spanned<String>,
    pub(super) cost_uncached: Spanned<String>,
    pub(super) table: Spanned<String>,
    pub(super) model: Spanned<String>,
    pub(super) provider: Option<Spanned<String>>,
    pub(super) tier: Option<Spanned<String>>,
    pub(super) input: Spanned<String>,
    pub(super) cached: Option<Spanned<String>>,
    pub(super) written: Option<Spanned<String>>,
    pub(super) written_hour: Option<Spanned<String>>,
    pub(super) output: Spanned<String>,
    pub(super) reasoning: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollupEntry {
    pub(super) name: Spanned<String>,
    pub(super) grain: Grain,
    pub(super) dimensions: Vec<Spanned<String>>,
    pub(super) measures: Vec<Spanned<String>>,
    pub(super) filter: Option<Spanned<String>>,
    pub(super) table: Option<Spanned<String>>,
}

#[derive(Deserialize)]
pub(super) struct FormatOnly {
    pub(super) format: Option<u32>,
}

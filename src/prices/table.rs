//! A price table: its entries, and the search for a model's entry.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    entry::{Assumed, Entry, Unpriced},
    genai_prices, litellm,
    model_name::{names_of, prefix},
    provider::canonical,
};
use crate::base::{Error, Result};

/// The table that comes with the program, and its name.
const SHIPPED: &str = include_str!("../../data/prices/genai-prices.json");
const SHIPPED_NAME: &str = "genai-prices";

/// Prices of models, by which the cost of a call is computed.
#[derive(Debug)]
pub struct PriceTable {
    id: String,
    entries: Vec<Entry>,
    /// The places in `entries` of each name, in the table's order.
    by_name: HashMap<String, Vec<usize>>,
    by_bare_name: HashMap<String, Vec<usize>>,
    by_maker_name: HashMap<String, Vec<usize>>,
    /// The providers of all entries, by their [`canonical`] names.
    providers: HashSet<String>,
    /// For each provider the others whose models it sells at their price.
    sells: HashMap<String, Vec<String>>,
}

/// What a table has of a call's model.
#[derive(Clone, Debug)]
pub(super) struct Found<'t> {
    pub(super) entry: &'t Entry,
    /// Whether the rates of tiers are those of the call's provider.
    pub(super) has_tiers: bool,
    /// What is assumed about the provider.
    pub(super) assumed: Option<Assumed>,
}

/// What a provider asks for a model of a name.
enum Offer<'t> {
    None,
    One(&'t Entry),
    /// Several entries have other prices.
    Several,
}

/// A table in the shape of `genai-prices`. Upstream's file is the list of providers alone.
#[derive(Deserialize)]
struct Providers {
    as_of: String,
    providers: Vec<genai_prices::Provider>,
}

impl PriceTable {
    /// The table that comes with the program. Its id is `genai-prices-` and the table's date.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn shipped() -> Result<Arc<Self>> {
        static TABLE: OnceLock<Arc<PriceTable>> = OnceLock::new();
        if let Some(table) = TABLE.get() {
            return Ok(Arc::clone(table));
        }
        let wrong = |reason| Error::internal(format!("the price table: {reason}"));
        let file: Providers =
            serde_json::from_str(SHIPPED).map_err(|error| wrong(error.to_string()))?;
        let id = format!("{SHIPPED_NAME}-{}", file.as_of);
        let table = Self::of_providers(id, &file.providers).map_err(wrong)?;
        Ok(Arc::clone(TABLE.get_or_init(|| Arc::new(table))))
    }

    /// Reads a table in the shape of `genai-prices` or of LiteLLM. `name` is the name of its file.
    /// The table's id is that name, `@`, and the first 8 hex digits of the BLAKE3 hash of its text.
    ///
    /// # Errors
    /// `Invalid` when the text is no such table, with the model and the reason.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let wrong = |reason: String| Error::invalid(format!("{name}: {reason}"));
        let syntax = |error: serde_json::Error| wrong(format!("is no price table: {error}"));
        let file = std::path::Path::new(name).file_name();
        let file = file.and_then(|file| file.to_str()).unwrap_or(name);
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let id = format!("{file}@{}", hash.get(..8).unwrap_or_default());
        let text = text.trim_start_matches('\u{feff}');
        let content: Value = serde_json::from_str(text).map_err(syntax)?;
        let table = match content {
            Value::Array(_) => {
                let providers: Vec<_> = serde_json::from_str(text).map_err(syntax)?;
                Self::of_providers(id, &providers)
            }
            Value::Object(fields) if fields.contains_key("providers") => {
                let file: Providers = serde_json::from_str(text).map_err(syntax)?;
                Self::of_providers(id, &file.providers)
            }
            Value::Object(models) => Self::of_models(id, &models),
            _ => Err("is no price table: it is neither an object nor a list".to_owned()),
        };
        table.map_err(wrong)
    }

    fn of_providers(id: String, providers: &[genai_prices::Provider]) -> Result<Self, String> {
        let (mut entries, mut sells) = (Vec::new(), HashMap::new());
        for provider in providers {
            let (models, (name, others)) = provider.read();
            entries.extend(models);
            sells.insert(name, others);
        }
        Self::of_entries(id, entries, sells)
    }

    fn of_models(id: String, models: &Map<String, Value>) -> Result<Self, String> {
        let mut entries = Vec::new();
        for (key, fields) in models.iter().filter(|(key, _)| *key != litellm::SAMPLE) {
            let fields = fields.as_object();
            let fields = fields.ok_or_else(|| format!("model `{key}` has no prices"))?;
            entries.push(litellm::entry(key, fields));
        }
        Self::of_entries(id, entries, HashMap::new())
    }

    fn of_entries(
        id: String,
        entries: Vec<Entry>,
        sells: HashMap<String, Vec<String>>,
    ) -> Result<Self, String> {
        // A model that can't be read has no price, and the others have theirs.
        if entries.iter().all(|entry| entry.unknown.is_some()) {
            let first = entries.iter().find_map(|entry| {
                Some(format!("; `{}` has none for {}", entry.name(), entry.unknown.as_ref()?))
            });
            return Err(format!(
                "no model has a price for tokens, in the shapes of genai-prices and LiteLLM{}",
                first.unwrap_or_default()
            ));
        }
        let mut by_name = HashMap::new();
        let (mut by_bare_name, mut by_maker_name) = (HashMap::new(), HashMap::new());
        for (at, entry) in entries.iter().enumerate() {
            for (names, found) in [
                (&entry.names, &mut by_name),
                (&entry.bare_names, &mut by_bare_name),
                (&entry.maker_names, &mut by_maker_name),
            ] {
                for name in names {
                    let places: &mut Vec<usize> = found.entry(name.clone()).or_default();
                    places.push(at);
                }
            }
        }
        let providers = entries.iter().map(|entry| canonical(&entry.provider)).collect();
        Ok(Self { id, entries, by_name, by_bare_name, by_maker_name, providers, sells })
    }

    /// The table's id. It is in the column `price_table` of each row that the table prices.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The prices of a model at a provider.
    ///
    /// # Errors
    /// The reason why there are none.
    pub(super) fn find(&self, model: &str, provider: Option<&str>) -> Result<Found<'_>, Unpriced> {
        let provider = provider.filter(|it| !it.is_empty());
        let known = |name: &str| Some(canonical(name)).filter(|it| self.providers.contains(it));
        let said = provider.and_then(known);
        if let (None, Some(provider)) = (&said, provider) {
            // Mostly a gateway. Another seller's price would be a guess.
            let entry = self.of_maker(model);
            let entry = entry.ok_or_else(|| Unpriced::UnknownModel(model.to_owned()))?;
            let (model, provider) = (model.to_owned(), provider.to_owned());
            let assumed = Some(Assumed::Maker { model, provider });
            return Ok(Found { entry, has_tiers: true, assumed });
        }
        let Some(said) = said.or_else(|| prefix(model).and_then(known)) else {
            let entry = self.of_any(model)?;
            return Ok(Found { entry, has_tiers: true, assumed: None });
        };
        let names = names_of(model).concat();
        let others = self.sells.get(&said).into_iter().flatten();
        for seller in std::iter::once(&said).chain(others) {
            let has_tiers = seller == &said;
            for name in &names {
                match self.at(name, seller, provider.filter(|_| has_tiers)) {
                    Offer::None => {}
                    Offer::One(entry) => return Ok(Found { entry, has_tiers, assumed: None }),
                    Offer::Several => return Err(Unpriced::SeveralProviders(model.to_owned())),
                }
            }
        }
        Err(Unpriced::UnknownModel(model.to_owned()))
    }

    /// The entry of that name at a provider. `exact` is the provider as the call says it.
    fn at(&self, name: &str, provider: &str, exact: Option<&str>) -> Offer<'_> {
        let names = [&self.by_name, &self.by_bare_name];
        let found = names.into_iter().flat_map(|names| self.named(names, name));
        let found: Vec<_> = found.filter(|entry| canonical(&entry.provider) == provider).collect();
        let Some(first) = found.first() else { return Offer::None };
        let is_exact =
            |entry: &&&Entry| exact.is_some_and(|exact| entry.provider.eq_ignore_ascii_case(exact));
        let chosen = found.iter().find(is_exact).or_else(|| {
            // One provider's rules are tried in their order, and the first counts.
            let is_one = found.iter().all(|entry| entry.provider == first.provider);
            let is_one = is_one || found.iter().all(|entry| entry.costs_as(first));
            is_one.then_some(first)
        });
        chosen.map_or(Offer::Several, |entry| Offer::One(entry))
    }

    /// The entry of a model at its maker.
    fn of_maker(&self, model: &str) -> Option<&Entry> {
        let mut names = names_of(model).into_iter().flatten();
        names.find_map(|name| self.named(&self.by_maker_name, &name).next())
    }

    /// The entry of a model whose provider isn't said. Of names with the same prefix, a maker's
    /// comes first, also if it is shorter: other providers list names with dates.
    fn of_any(&self, model: &str) -> Result<&Entry, Unpriced> {
        for names in names_of(model) {
            let mut made = names.iter().flat_map(|name| self.named(&self.by_maker_name, name));
            if let Some(entry) = made.next() {
                return Ok(entry);
            }
            for name in &names {
                let lists = [&self.by_name, &self.by_bare_name];
                let found = lists.into_iter().flat_map(|names| self.named(names, name));
                let found: Vec<_> = found.collect();
                let Some(first) = found.first() else { continue };
                let is_one = found.iter().all(|entry| entry.costs_as(first));
                let several = || Unpriced::SeveralProviders(model.to_owned());
                return is_one.then_some(*first).ok_or_else(several);
            }
        }
        Err(Unpriced::UnknownModel(model.to_owned()))
    }

    fn named<'t>(
        &'t self,
        names: &'t HashMap<String, Vec<usize>>,
        name: &str,
    ) -> impl Iterator<Item = &'t Entry> {
        names.get(name).into_iter().flatten().filter_map(|at| self.entries.get(*at))
    }
}

impl Entry {
    fn costs_as(&self, other: &Self) -> bool {
        (&self.standard, &self.tiers, &self.unknown)
            == (&other.standard, &other.tiers, &other.unknown)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

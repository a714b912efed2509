//! Checks the rules about rows: warnings, events, and computed prices.

use toml::Spanned;

use super::Checker;
use crate::{
    base::Result,
    model::{
        Column, ColumnType, Dataset, Operand, Prefer, Pricing, Unique, WarningRule,
        definition::definition_file::{PricesEntry, UniqueEntry},
    },
};

/// The type of computed costs.
const COST: ColumnType = ColumnType::Decimal(18, 12);

impl Checker<'_> {
    pub(super) fn odd(&self, dataset: &Dataset, text: &Spanned<String>) -> Result<WarningRule> {
        let rule: WarningRule = text.get_ref().parse().map_err(|error| self.wrong(text, error))?;
        let mut sides = vec![&rule.left];
        if let Operand::Column(right) = &rule.right {
            sides.push(right);
        }
        for name in sides {
            let kind = dataset.column(name).map(|column| column.kind);
            if !matches!(kind, Some(ColumnType::Integer | ColumnType::Decimal(..))) {
                let reason = format!("`{name}` is not an integer or decimal column");
                return Err(self.wrong(text, reason));
            }
        }
        Ok(rule)
    }

    pub(super) fn unique(&self, dataset: &Dataset, entry: &UniqueEntry) -> Result<Unique> {
        if entry.key.get_ref().is_empty() {
            return Err(self.wrong(&entry.key, "the key of an event has at least one column"));
        }
        let names = |names: &[Spanned<String>]| {
            let names = names.iter();
            names.map(|name| Ok(self.known(dataset, name)?.name.clone())).collect::<Result<_>>()
        };
        let prefer = match entry.prefer.get_ref().as_str() {
            "first" => Prefer::First,
            "last" => Prefer::Last,
            _ => Prefer::Greatest(self.known(dataset, &entry.prefer)?.name.clone()),
        };
        let (key, same): (Vec<_>, Vec<_>) = (names(entry.key.get_ref())?, names(&entry.same)?);
        let computed =
            |column: &String| dataset.pricing().is_some_and(|pricing| pricing.computes(column));
        if key.iter().chain(&same).any(computed) || computed(entry.prefer.get_ref()) {
            return Err(self.wrong(&entry.key, "computed columns tell no event from another"));
        }
        let stable = dataset.pricing().map(|pricing| pricing.table.clone());
        Ok(Unique { key, same, prefer, time: dataset.time.clone(), stable })
    }

    pub(super) fn pricing(&self, dataset: &Dataset, entry: &PricesEntry) -> Result<Pricing> {
        let read = |name: &Spanned<String>, kind| {
            self.typed(dataset, name, kind).map(|column| column.name.clone())
        };
        let text = |name: &Spanned<String>| read(name, ColumnType::Text);
        let whole = |name: &Spanned<String>| read(name, ColumnType::Integer);
        let computed = |name: &Spanned<String>, kind| self.computed(dataset, name, kind);
        let pricing = Pricing {
            cost: computed(&entry.cost, COST)?,
            cost_uncached: computed(&entry.cost_uncached, COST)?,
            table: computed(&entry.table, ColumnType::Text)?,
            time: dataset.time.clone(),
            model: text(&entry.model)?,
            provider: entry.provider.as_ref().map(text).transpose()?,
            tier: entry.tier.as_ref().map(text).transpose()?,
            input: whole(&entry.input)?,
            cached: entry.cached.as_ref().map(whole).transpose()?,
            written: entry.written.as_ref().map(whole).transpose()?,
            written_hour: entry.written_hour.as_ref().map(whole).transpose()?,
            output: whole(&entry.output)?,
            reasoning: entry.reasoning.as_ref().map(whole).transpose()?,
        };
        if pricing.cost == pricing.cost_uncached {
            return Err(self.wrong(&entry.cost_uncached, "two costs would be in one column"));
        }
        Ok(pricing)
    }

    fn typed<'d>(
        &self,
        dataset: &'d Dataset,
        name: &Spanned<String>,
        kind: ColumnType,
    ) -> Result<&'d Column> {
        let column = self.known(dataset, name)?;
        if column.kind == kind {
            return Ok(column);
        }
        let reason = format!("`{}` is of type {}, not {kind}", column.name, column.kind);
        Err(self.wrong(name, reason))
    }

    /// The name of a column whose values no input gives.
    pub(super) fn computed(
        &self,
        dataset: &Dataset,
        name: &Spanned<String>,
        kind: ColumnType,
    ) -> Result<String> {
        let column = self.typed(dataset, name, kind)?;
        let is_read = dataset.sort.contains(&column.name) || !column.aliases.is_empty();
        if column.required || is_read || column.ratio.is_some() || dataset.computes(&column.name) {
            let reason = format!(
                "`{}` is computed, so it can't be required, sorted by, read under other names, be \
                 a ratio or be computed otherwise, too",
                column.name
            );
            return Err(self.wrong(name, reason));
        }
        Ok(column.name.clone())
    }
}

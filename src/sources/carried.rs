//! Values that a record takes from an earlier record of the same file: a transcript names its
//! model in one line, and the tokens of a call in a later one.

use super::{path::Place, rule::Rule, value::Value};

/// The latest value of each rule with `carry`, in one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    values: Vec<Value<'static>>,
}

impl Carried {
    pub(super) fn get(&self, at: usize) -> &Value<'static> {
        self.values.get(at).unwrap_or(&Value::Null)
    }

    /// Takes in the values of the next record. `rules` are the rules with `carry`, in their order.
    pub(super) fn take_in(&mut self, rules: &[Rule], record: &Place<'_>) {
        self.values.resize(rules.len(), Value::Null);
        let nothing = Self::default();
        for (rule, kept) in rules.iter().zip(&mut self.values) {
            // A record in which the value isn't readable says nothing about it.
            let value = rule.own_value(record, &nothing).unwrap_or(Value::Null);
            if value != Value::Null {
                *kept = value.into_owned();
            }
        }
    }
}

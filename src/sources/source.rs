//! A source: how the records of one kind of log become rows.

use super::{
    carried::Carried,
    condition::Condition,
    json::{Json, Parsed},
    path::{Path, Place},
    rule::Rule,
    scalar::TimeForm,
};

/// A source.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The name for `--from`; empty for a user's map.
    pub(crate) name: String,
    /// What logs these are.
    pub(crate) about: String,
    /// The number of the text's version.
    pub(crate) version: u32,
    /// The day when the facts were checked, `YYYY-MM-DD`.
    pub(crate) as_of: String,
    /// Where such logs are.
    pub(crate) files: Vec<String>,
    /// Why some records have no time of their own, if some have none.
    pub(crate) without_time: Option<String>,
    /// A log with a record that meets all of these is of this source. Without conditions no log is
    /// recognized.
    pub(crate) recognize: Vec<Condition>,
    /// Ways to a record's rows: through arrays in arrays, or none for the record itself. The first
    /// way that finds rows is taken.
    pub(super) each: Vec<Vec<Path>>,
    pub(super) keep: Vec<Condition>,
    pub(super) skip: Vec<(Condition, String)>,
    pub(super) expect: Vec<(Condition, String)>,
    /// The columns, each with the rule for its value.
    pub(crate) columns: Vec<ColumnRule>,
    /// The rules with `carry`, by their numbers.
    pub(super) carried: Vec<Rule>,
}

/// A column and the rule for its value.
#[derive(Clone, Debug)]
pub(crate) struct ColumnRule {
    pub(crate) column: String,
    pub(crate) rule: Rule,
    /// How times are written, if the column is one.
    pub(crate) time: TimeForm,
    /// The rule's line in its text, from 1.
    pub(crate) line: usize,
}

impl ColumnRule {
    /// Takes a column's value from the first of these fields that is present.
    pub(crate) fn by_names(column: &str, names: impl IntoIterator<Item = String>) -> Self {
        let rule = Rule::by_names(names);
        Self { column: column.to_owned(), rule, time: TimeForm::default(), line: 0 }
    }
}

/// Whether a row is a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    /// The row is not a call, for that reason.
    Skipped(String),
    /// The row breaks a rule of the source: `field: reason`.
    Broken(String),
}

impl Source {
    /// Whether a record shows that its log is of this source.
    pub(crate) fn recognizes(&self, record: &Json) -> bool {
        let (place, carried) = (Place(vec![record]), Carried::default());
        let holds = |condition: &Condition| condition.holds(&place, &carried).unwrap_or(false);
        !self.recognize.is_empty() && self.recognize.iter().all(holds)
    }

    /// A source without rules: every record is a row.
    pub(crate) fn empty() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            version: 0,
            as_of: String::new(),
            files: Vec::new(),
            without_time: None,
            recognize: Vec::new(),
            each: Vec::new(),
            keep: Vec::new(),
            skip: Vec::new(),
            expect: Vec::new(),
            columns: Vec::new(),
            carried: Vec::new(),
        }
    }

    /// Whether every record is a row, and every column a field of the record or a constant.
    pub(crate) fn only_renames(&self) -> bool {
        let is_record = self.each.is_empty() && self.keep.is_empty() && self.skip.is_empty();
        let mut rules = self.columns.iter().map(|column| &column.rule);
        is_record
            && self.expect.is_empty()
            && rules.all(|rule| rule.field().is_some() || rule.constant().is_some())
    }

    /// Whether a record, which is a row, lacks what shows that its log is of this source.
    pub(crate) fn is_unlike(&self, record: &Json) -> bool {
        let is_judged = self.each.is_empty() && self.keep.is_empty() && !self.recognize.is_empty();
        is_judged && !self.recognizes(record)
    }

    /// Whether rows are elements of a record.
    pub(crate) const fn finds_rows(&self) -> bool {
        !self.each.is_empty()
    }

    /// Whether values are carried from record to record, so that a file must be read in order.
    pub(crate) const fn carries(&self) -> bool {
        !self.carried.is_empty()
    }

    /// The rows of the next record of a file.
    pub(crate) fn rows<'r>(&self, record: &'r Json, carried: &mut Carried) -> Vec<Place<'r>> {
        let whole = Place(vec![record]);
        carried.take_in(&self.carried, &whole);
        if self.each.is_empty() {
            return vec![whole];
        }
        for arrays in &self.each {
            let mut rows = Vec::new();
            add_elements(&whole, arrays, &mut rows);
            if !rows.is_empty() {
                return rows;
            }
        }
        Vec::new()
    }

    /// Whether a row is a call.
    pub(crate) fn keeps(&self, row: &Place<'_>, carried: &Carried) -> Kept {
        let broken = |reason: String| Kept::Broken(reason);
        for condition in &self.keep {
            match condition.holds(row, carried) {
                Ok(true) => {}
                Ok(false) => return Kept::Skipped("is not a call".to_owned()),
                Err(reason) => return broken(reason),
            }
        }
        for (condition, because) in &self.skip {
            match condition.holds(row, carried) {
                Ok(false) => {}
                Ok(true) => return Kept::Skipped(because.clone()),
                Err(reason) => return broken(reason),
            }
        }
        for (condition, because) in &self.expect {
            match condition.holds(row, carried) {
                Ok(true) => {}
                Ok(false) => return broken(format!("breaks a rule of its source: {because}")),
                Err(reason) => return broken(reason),
            }
        }
        Kept::Yes
    }

    /// The keys of records that a rule or a condition may read.
    pub(crate) fn first_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut add = |path: &Path| keys.extend(path.first_key().map(str::to_owned));
        self.each.iter().filter_map(|arrays| arrays.first()).for_each(&mut add);
        self.columns.iter().for_each(|column| column.rule.each_path(&mut add));
        let conditions = self.keep.iter().chain(self.skip.iter().map(|(condition, _)| condition));
        let conditions = conditions.chain(self.expect.iter().map(|(condition, _)| condition));
        conditions.for_each(|condition| condition.each_path(&mut add));
        keys
    }
}

/// Adds a place for each element of the arrays in arrays. Without arrays, the place itself.
fn add_elements<'r>(place: &Place<'r>, arrays: &[Path], rows: &mut Vec<Place<'r>>) {
    let Some((array, inner)) = arrays.split_first() else {
        rows.push(place.clone());
        return;
    };
    for list in array.values(place) {
        let Parsed::List(elements) = list.entered() else { continue };
        for element in elements {
            let mut levels = place.0.clone();
            levels.push(element);
            add_elements(&Place(levels), inner, rows);
        }
    }
}

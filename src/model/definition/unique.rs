//! The rule for events that a log holds more than once: which rows are copies of one event, and
//! which copy counts.

/// The rule of a dataset. Rows of one UTC day with equal `key` and `same` columns are copies of one
/// event, and one of them counts. A row whose key has a NULL is no copy of any other row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The columns that identify an event.
    pub key: Vec<String>,
    /// Columns in which copies are equal, too. They keep events apart whose log gives many answers
    /// one id. NULL is equal to NULL.
    pub same: Vec<String>,
    /// Which copy counts.
    pub prefer: Prefer,
    /// The dataset's time column.
    pub time: String,
    /// The column with the id of the price table, if prices are computed. Of copies that are alike
    /// in `prefer` and time, one that `reprice` priced counts, then the one with the least id. So a
    /// log that is appended again under a newer table keeps its prices.
    pub stable: Option<String>,
}

/// Which of several copies counts. Of copies that are alike in it, the earliest counts, then the
/// one that [`Unique::stable`] says, and of these the one whose row hash is smallest. So neither
/// the order of files nor that of appends decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The copy with the greatest value in that column; NULL is the least.
    Greatest(String),
    /// The copy with the earliest time.
    First,
    /// The copy with the latest time.
    Last,
}

impl Unique {
    /// The rule as a line of text. Equal rules have equal texts.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let (key, same) = (self.key.join(","), self.same.join(","));
        let stable = self.stable.iter().map(|column| format!(" stable {column}"));
        let stable: String = stable.collect();
        format!("unique key {key} same {same} prefer {}{stable}", self.prefer.name())
    }
}

impl Prefer {
    fn name(&self) -> &str {
        match self {
            Self::Greatest(column) => column,
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

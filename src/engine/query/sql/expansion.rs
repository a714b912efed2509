//! The size of a query after each use of a WITH part is replaced by the part itself.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit as _, Visitor};

/// The maximum number of uses of tables in a query. Each use is a plan by itself: 2,000 take
/// seconds and gigabytes to optimize.
const USES_MAX: u64 = 1_000;

/// Finds a query whose WITH parts use each other so often that the query can't be planned.
pub(super) struct Expansion;

impl Visitor for Expansion {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let uses = uses_of(query, &HashMap::new());
        if uses > USES_MAX {
            return ControlFlow::Break(format!(
                "the parts of WITH use each other {uses} times in all, more than {USES_MAX}; ask \
                 several queries, or group in an earlier part"
            ));
        }
        ControlFlow::Continue(())
    }
}

/// The number of uses of tables in a query. A use of a WITH part counts as the uses in the part.
fn uses_of(query: &Query, outer: &HashMap<String, u64>) -> u64 {
    let mut known = outer.clone();
    for part in query.with.iter().flat_map(|with| &with.cte_tables) {
        let uses = uses_of(&part.query, &known);
        known.insert(part.alias.name.value.to_lowercase(), uses);
    }
    let mut counted = Uses { known: &known, count: 0 };
    let _: ControlFlow<()> = query.body.visit(&mut counted);
    // A part without tables is also a plan.
    counted.count.max(1)
}

struct Uses<'a> {
    known: &'a HashMap<String, u64>,
    count: u64,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if query.with.is_some() {
            self.count = self.count.saturating_add(uses_of(query, self.known));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let name = name.to_string().to_lowercase();
        self.count = self.count.saturating_add(*self.known.get(&name).unwrap_or(&1));
        ControlFlow::Continue(())
    }
}

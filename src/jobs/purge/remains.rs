//! What remains of a purged day, and the rollups that it is of.

use crate::{
    base::{Error, Result},
    model::{Dataset, Manifest, Remains, Rollup},
    store::Definitions,
};

/// The rollup that the remains are of, and the text of the dataset's definition with that rollup.
/// The text comes from the manifest, or in format 1 from the root's definitions.
pub(crate) fn rollup_of(
    dataset: &Dataset,
    definitions: &Definitions,
    base: &Manifest,
    remains: &Remains,
) -> Result<(Rollup, String)> {
    let texts: Vec<_> = if let Some(text) = base.definitions.get(remains.definition) {
        vec![text]
    } else {
        let root = definitions.previous.iter().rev().flatten();
        [&definitions.newest].into_iter().chain(root).map(|stored| &stored.text).collect()
    };
    for text in texts {
        let parsed = Dataset::parse(text, "the definition in a manifest")?;
        let mut all = parsed.rollups().iter().chain(parsed.events());
        let found = all.find(|it| it.definition_hash() == remains.hash);
        if let Some(found) = found {
            // The rollup as this process knows it, if it does.
            let mut all = dataset.all_rollups().chain(dataset.events());
            let known = all.find(|it| it.definition_hash() == remains.hash);
            return Ok((known.unwrap_or(found).clone(), text.clone()));
        }
    }
    Err(Error::corrupt(format!(
        "{}: no definition has the rollup `{}` of hash {}, for which something remains",
        base.date, remains.rollup, remains.hash
    )))
}

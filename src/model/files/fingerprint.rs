//! Fingerprints: the name for a set of leaves that a segment was built from.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::{LeafId, leaf_id::hex_128};
use crate::base::Day;

/// BLAKE3 over a day's sorted leaf ids: 128 bits in hex. Equal fingerprints mean equal leaves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// Shared, because deriving the key takes longer than hashing a day's few ids.
static DOMAIN: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("tallybook 2026 day fingerprint"));

impl Fingerprint {
    /// The fingerprint of a set of leaves, in any order.
    #[must_use]
    pub fn of<'a>(leaves: impl IntoIterator<Item = &'a LeafId>) -> Self {
        let mut ids: Vec<_> = leaves.into_iter().map(LeafId::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut hasher = DOMAIN.clone();
        for id in ids {
            hasher.update(id.as_bytes());
            hasher.update(b"\n");
        }
        Self(hex_128(&hasher))
    }

    /// The fingerprint of a month, from the days that have rows and the fingerprint of each. The
    /// days must be in order.
    #[must_use]
    pub(crate) fn of_days<'a>(days: impl IntoIterator<Item = (Day, &'a Self)>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 month fingerprint");
        for (day, fingerprint) in days {
            hasher.update(&day.epoch_days().to_le_bytes());
            hasher.update(fingerprint.0.as_bytes());
        }
        Self(hex_128(&hasher))
    }

    /// The fingerprint that is the stem of a segment's file name.
    #[must_use]
    pub fn parse(stem: &str) -> Option<Self> {
        LeafId::parse(stem).map(|id| Self(id.as_str().to_owned()))
    }

    /// The fingerprint in hex.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BatchId, ContentHasher};

    #[test]
    fn order_does_not_matter_and_content_does() {
        let batch = BatchId::try_new("b").unwrap();
        let content = ContentHasher::default().finish();
        let id = |part| LeafId::of(&batch, 0, (Day::from_epoch_days(1), part), &content, 0);
        let (a, b, c) = (id(0), id(1), id(2));
        assert_eq!(Fingerprint::of([&a, &b]), Fingerprint::of([&b, &a]));
        assert_ne!(Fingerprint::of([&a, &b]), Fingerprint::of([&a, &c]));
        assert_ne!(Fingerprint::of([&a]), Fingerprint::of([&a, &b]));
    }
}

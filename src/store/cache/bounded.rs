//! Caches in memory with a bound.

use std::hash::Hash;

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

/// An empty cache for about `entries` entries that together weigh at most `weight_max`. It is in
/// one piece: of a cache in shards, each shard would hold entries of its share of the bound only.
pub(crate) fn bounded<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(
    entries: usize,
    weight_max: u64,
    weighter: W,
) -> Cache<K, V, W> {
    let mut options = OptionsBuilder::new();
    options.estimated_items_capacity(entries).weight_capacity(weight_max).shards(1);
    match options.build() {
        Ok(options) => {
            let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
            Cache::with_options(options, weighter, hasher, lifecycle)
        }
        // Not reached: both capacities are set.
        Err(_) => Cache::with_weighter(entries, weight_max, weighter),
    }
}

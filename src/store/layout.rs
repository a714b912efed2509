//! The names of a root's files. Pure: typed names to paths and back.
//!
//! ```text
//! dataset.toml
//! batches/<hash of the batch id>.json                          what a caller's batch id stands for
//! raw/date=2026-01-24/<leaf id>.parquet
//! rollups/<name>/<definition hash>/date=2026-01-24/<fingerprint>.parquet
//! ```

use object_store::path::Path;

use crate::{
    base::Day,
    model::{BatchId, Fingerprint, LeafId, Rollup},
};

/// The dataset's definition.
pub(crate) const DATASET_FILE: &str = "dataset.toml";

const PARQUET: &str = ".parquet";

/// Where raw leaves are.
#[must_use]
pub(crate) fn raw_prefix() -> Path {
    Path::from("raw")
}

/// Where a day's raw leaves are.
#[must_use]
pub(crate) fn raw_day_prefix(day: Day) -> Path {
    Path::from_iter(["raw".to_owned(), format!("date={day}")])
}

/// Where that leaf is.
#[must_use]
pub(crate) fn leaf_path(day: Day, leaf: &LeafId) -> Path {
    raw_day_prefix(day).join(format!("{leaf}{PARQUET}"))
}

/// Where a rollup's segments are, those of its present definition.
#[must_use]
pub(crate) fn segments_prefix(rollup: &Rollup) -> Path {
    Path::from_iter(["rollups", rollup.name(), rollup.definition_hash()])
}

/// Where that segment is.
#[must_use]
pub(crate) fn segment_path(rollup: &Rollup, day: Day, fingerprint: &Fingerprint) -> Path {
    segments_prefix(rollup).join(format!("date={day}")).join(format!("{fingerprint}{PARQUET}"))
}

/// Where the claim on a caller's batch id is.
#[must_use]
pub(crate) fn claim_path(batch: &BatchId) -> Path {
    Path::from_iter(["batches".to_owned(), format!("{}.json", batch.claim_name())])
}

/// What the name of a Parquet file in a day's folder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileName {
    /// The day of its folder.
    pub day: Day,
    /// Its name without `.parquet`.
    pub stem: String,
}

impl FileName {
    /// Reads `<prefix>/date=YYYY-MM-DD/<stem>.parquet`. Names that start with `_` or `.` are other
    /// tools' temporary or marker files, and no data.
    #[must_use]
    pub(crate) fn parse(prefix: &Path, path: &Path) -> Option<Self> {
        let mut parts = path.prefix_match(prefix)?;
        let (folder, file) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let day = folder.as_ref().strip_prefix("date=")?.parse().ok()?;
        let stem = file.as_ref().strip_suffix(PARQUET)?.to_owned();
        (!stem.is_empty() && !stem.starts_with(['_', '.'])).then_some(Self { day, stem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaf_paths_read_back() {
        let day: Day = "2026-01-24".parse().unwrap();
        let leaf = LeafId::of(&BatchId::try_new("b").unwrap(), day, 0);
        let path = leaf_path(day, &leaf);
        assert_eq!(path.as_ref(), format!("raw/date=2026-01-24/{leaf}.parquet"));
        let name = FileName::parse(&raw_prefix(), &path).unwrap();
        assert_eq!((name.day, name.stem.as_str()), (day, leaf.as_str()));
    }

    #[test]
    fn other_names_are_no_data() {
        for path in [
            "raw/date=2026-01-24/_m/00000001-ab.json",
            "raw/date=2026-01-24/_tmp.parquet",
            "raw/date=2026-01-24/.parquet",
            "raw/date=2026-01-24/x.parquet.tmp",
            "raw/date=2026-1-24/x.parquet",
            "raw/x.parquet",
            "other/date=2026-01-24/x.parquet",
        ] {
            assert_eq!(FileName::parse(&raw_prefix(), &Path::from(path)), None, "{path}");
        }
    }
}

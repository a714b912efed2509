//! The names of a root's files. Pure: typed names to paths and back.
//!
//! ```text
//! dataset.toml
//! definitions/<hash>.toml                                      what segments were ever built by
//! batches/<hash of the batch id>.json                          what a caller's batch id stands for
//! raw/date=2026-01-24/<leaf id>.parquet
//! raw/date=2026-01-24/c-<generation>-<attempt>-<part>.parquet  merged rows, live by a manifest
//! raw/date=2026-01-24/_m/<generation>.json                     the manifest
//! raw/date=2026-01-24/_m/<generation>-<fingerprint>-<attempt>-<files>.tag   the same in a name
//! rollups/<name>/<definition hash>/date=2026-01-24/<fingerprint>.parquet
//! rollups/<name>/<definition hash>/month=2026-01/<fingerprint>.parquet
//! ```

use object_store::path::Path;

use crate::{
    base::Day,
    model::{BatchId, Fingerprint, LeafId, Manifest, ManifestState, Rollup},
};

/// The dataset's definition.
pub(crate) const DATASET_FILE: &str = "dataset.toml";

/// Where a day's manifests are, in its folder.
pub(super) const MANIFEST_FOLDER: &str = "_m";

/// Where the definitions are that segments were ever built by.
pub(super) const DEFINITIONS_FOLDER: &str = "definitions";

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
    Path::from_iter(["rollups", rollup.folder(), rollup.definition_hash()])
}

/// Where that segment is.
#[must_use]
pub(crate) fn segment_path(rollup: &Rollup, day: Day, fingerprint: &Fingerprint) -> Path {
    segments_prefix(rollup).join(format!("date={day}")).join(format!("{fingerprint}{PARQUET}"))
}

/// Where the segment of the month that begins with that day is.
#[must_use]
pub(crate) fn month_path(rollup: &Rollup, month: Day, fingerprint: &Fingerprint) -> Path {
    segments_prefix(rollup)
        .join(Period::Month.folder(month))
        .join(format!("{fingerprint}{PARQUET}"))
}

/// What a folder of files is of, in its name: `date=2026-01-24` or `month=2026-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// A UTC date.
    Day,
    /// A month of UTC dates, which its first day stands for.
    Month,
}

impl Period {
    /// The folder of the period that begins with that day.
    #[must_use]
    pub(super) fn folder(self, first: Day) -> String {
        format!("{}{}", self.label(), self.name(first))
    }

    /// The period that begins with that day, as people say it: `2026-01-24` or `2026-01`.
    #[must_use]
    pub(crate) fn name(self, first: Day) -> String {
        let date = first.to_string();
        match self {
            Self::Day => date,
            Self::Month => date.get(..date.len() - 3).unwrap_or(&date).to_owned(),
        }
    }

    /// What the names of its folders start with.
    #[must_use]
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Day => "date=",
            Self::Month => "month=",
        }
    }

    /// Whether a file below the prefix is in a folder of such a period.
    #[must_use]
    pub(super) fn is_of(self, prefix: &Path, file: &Path) -> bool {
        first_day_and_name(self, prefix, file).is_some()
    }

    /// The first day of the period that a folder is of.
    #[must_use]
    pub(super) fn parse(self, folder: &str) -> Option<Day> {
        let date = folder.strip_prefix(self.label())?;
        match self {
            Self::Day => date.parse().ok(),
            Self::Month => format!("{date}-01").parse().ok(),
        }
    }

    /// The first day of the period that a day is in, and of the next.
    #[must_use]
    pub(crate) fn around(self, day: Day) -> Option<(Day, Day)> {
        day.period(match self {
            Self::Day => "day",
            Self::Month => "month",
        })
    }
}

/// Where the definition of that text is kept, once segments were built by it.
#[must_use]
pub(crate) fn definition_path(text: &str) -> Path {
    let name = format!("{}.toml", blake3::hash(text.as_bytes()).to_hex());
    Path::from_iter([DEFINITIONS_FOLDER, &name])
}

/// Where the claim on a caller's batch id is.
#[must_use]
pub(crate) fn claim_path(batch: &BatchId) -> Path {
    Path::from_iter(["batches".to_owned(), format!("{}.json", batch.claim_name())])
}

/// Where that generation's manifest is.
#[must_use]
pub(crate) fn manifest_path(day: Day, generation: u32) -> Path {
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(format!("{generation:08}.json"))
}

/// Where what a manifest says is kept as a name.
#[must_use]
pub(crate) fn tag_path(day: Day, tag: &ManifestTag) -> Path {
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(tag.file_name())
}

/// The name of a compacted file.
#[must_use]
pub(crate) fn compacted_name(generation: u32, attempt: &str, part: usize) -> String {
    format!("c-{generation:08}-{attempt}-{part:04}{PARQUET}")
}

/// Where a file of that name in a day's folder is.
#[must_use]
pub(crate) fn raw_path(day: Day, name: &str) -> Path {
    raw_day_prefix(day).join(name)
}

/// What must be known of a manifest to answer from rollups, or to read its files: an empty file of
/// this name spares readers the manifest. Only who has read the manifest writes it, so it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestTag {
    /// The manifest's generation.
    pub generation: u32,
    /// The fingerprint of the leaves that it accounts for.
    pub fingerprint: Fingerprint,
    /// The run whose name its files bear.
    pub attempt: String,
    /// How many files it names; none when the day is purged.
    pub files: Option<usize>,
}

impl ManifestTag {
    /// The tag of that manifest.
    #[must_use]
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let files = (manifest.state == ManifestState::Open).then_some(manifest.files.len());
        Self {
            generation: manifest.generation,
            fingerprint: manifest.fingerprint(),
            attempt: manifest.attempt.clone(),
            files,
        }
    }

    fn file_name(&self) -> String {
        let Self { generation, fingerprint, attempt, files } = self;
        let files = files.map_or_else(|| "purged".to_owned(), |files| files.to_string());
        format!("{generation:08}-{fingerprint}-{attempt}-{files}.tag")
    }

    fn parse(name: &str) -> Option<Self> {
        let mut words = name.strip_suffix(".tag")?.split('-');
        let (generation, fingerprint) = (words.next()?, words.next()?);
        let (attempt, files) = (words.next()?, words.next()?);
        let tag = Self {
            generation: generation.parse().ok()?,
            fingerprint: Fingerprint::parse(fingerprint)?,
            attempt: attempt.to_owned(),
            files: if files == "purged" { None } else { Some(files.parse().ok()?) },
        };
        (tag.file_name() == name).then_some(tag)
    }
}

/// What the name of a file in a day's raw folder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawName {
    /// A leaf, ours or another tool's, by its name without `.parquet`.
    Leaf(String),
    /// A compacted file, of that generation and attempt.
    Compacted {
        /// The generation that it was written for.
        generation: u32,
        /// The run that wrote it.
        attempt: String,
    },
    /// A manifest, of that generation.
    Manifest(u32),
    /// A manifest's tag.
    Tag(ManifestTag),
}

impl RawName {
    /// Reads what comes behind `raw/date=YYYY-MM-DD/`. Other names that start with `_` or `.` are
    /// other tools' temporary or marker files, and no data.
    #[must_use]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix("_m/") {
            let generation = || name.strip_suffix(".json").filter(|digits| digits.len() == 8);
            return match ManifestTag::parse(name) {
                Some(tag) => Some(Self::Tag(tag)),
                None => generation()?.parse().ok().map(Self::Manifest),
            };
        }
        let stem = parquet_stem(name)?;
        Some(Self::compacted(stem).unwrap_or_else(|| Self::Leaf(stem.to_owned())))
    }

    fn compacted(stem: &str) -> Option<Self> {
        let words: Vec<_> = stem.split('-').collect();
        let ["c", generation, attempt, part] = words.as_slice() else { return None };
        let lengths = (generation.len(), attempt.len(), part.len() >= 4);
        let hex = attempt.bytes().all(|byte| byte.is_ascii_hexdigit());
        part.parse::<u32>().ok().filter(|_| hex && lengths == (8, 16, true))?;
        Some(Self::Compacted {
            generation: generation.parse().ok()?,
            attempt: (*attempt).to_owned(),
        })
    }
}

/// The name without its ending, of a Parquet file that is data.
fn parquet_stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(PARQUET)?;
    (!stem.is_empty() && !stem.starts_with(['_', '.']) && !stem.contains('/')).then_some(stem)
}

/// The fingerprint that the name of a segment is.
#[must_use]
pub(crate) fn segment_fingerprint(name: &str) -> Option<Fingerprint> {
    Fingerprint::parse(parquet_stem(name)?)
}

/// The day of `<prefix>/date=YYYY-MM-DD/<name>`, and the name, folders and all.
#[must_use]
pub(crate) fn day_and_name<'p>(prefix: &Path, path: &'p Path) -> Option<(Day, &'p str)> {
    first_day_and_name(Period::Day, prefix, path)
}

/// The first day of the period whose folder below the prefix a file is in, and the file's name;
/// empty for the folder itself.
#[must_use]
pub(super) fn first_day_and_name<'p>(
    period: Period,
    prefix: &Path,
    path: &'p Path,
) -> Option<(Day, &'p str)> {
    let below = path.as_ref().strip_prefix(prefix.as_ref())?.strip_prefix('/')?;
    let (folder, name) = below.split_once('/').unwrap_or((below, ""));
    Some((period.parse(folder)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw_name(path: &str) -> Option<RawName> {
        let path = Path::from(path);
        let (_, name) = day_and_name(&raw_prefix(), &path)?;
        RawName::parse(name)
    }

    #[test]
    fn names_read_back() {
        let day: Day = "2026-01-24".parse().unwrap();
        let leaf = LeafId::of(&BatchId::try_new("b").unwrap(), day, 0);
        let path = leaf_path(day, &leaf);
        assert_eq!(path.as_ref(), format!("raw/date=2026-01-24/{leaf}.parquet"));
        assert_eq!(raw_name(path.as_ref()), Some(RawName::Leaf(leaf.to_string())));
        let (found, name) = day_and_name(&raw_prefix(), &path).unwrap();
        assert_eq!((found, name), (day, format!("{leaf}.parquet").as_str()));

        let attempt = "0123456789abcdef".to_owned();
        let path = raw_path(day, &compacted_name(7, &attempt, 12));
        let compacted = RawName::Compacted { generation: 7, attempt: attempt.clone() };
        assert_eq!(raw_name(path.as_ref()), Some(compacted));
        assert_eq!(raw_name(manifest_path(day, 7).as_ref()), Some(RawName::Manifest(7)));
        for files in [None, Some(0), Some(12)] {
            let fingerprint = Fingerprint::of([&leaf]);
            let tag = ManifestTag { generation: 7, fingerprint, attempt: attempt.clone(), files };
            assert_eq!(raw_name(tag_path(day, &tag).as_ref()), Some(RawName::Tag(tag)));
        }
    }

    #[test]
    fn other_names_are_no_data() {
        for path in [
            "raw/date=2026-01-24/_m/00000001-ab.json",
            "raw/date=2026-01-24/_m/1.json",
            "raw/date=2026-01-24/_m/00000001-ab-cd-1.tag",
            "raw/date=2026-01-24/_tmp.parquet",
            "raw/date=2026-01-24/.parquet",
            "raw/date=2026-01-24/x.parquet.tmp",
            "raw/date=2026-01-24/below/x.parquet",
            "raw/date=2026-1-24/x.parquet",
            "raw/x.parquet",
            "other/date=2026-01-24/x.parquet",
        ] {
            assert_eq!(raw_name(path), None, "{path}");
        }
    }
}

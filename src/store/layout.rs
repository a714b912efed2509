//! Names of a root's files. Pure functions: typed names to paths and back.
//!
//! ```text
//! definitions/<n>.toml                            n = 1, 2, …; the newest is in force
//! batches/<hash of the batch id>.<claim>.json     a claim: the rows of a named batch
//! raw/date=2026-01-24/
//!   L2-<leaf id>.parquet                          a leaf
//!   C2-<generation>-<attempt>-<part>.parquet      compacted rows
//!   P2-<generation>-<attempt>-<hash>.parquet      remains of a purged day, by definition hash
//!   _m/2-<generation>.json                        the manifest
//!   _m/2-<generation>-<attempt>.intent            an intent: a generation is being written
//!   _m/2-<generation>-<fingerprint>-<attempt>-[purged-]<files>.tag    a tag: a manifest in a name
//! rollups/<name>/<definition hash>/
//!   date=2026-01-24/<fingerprint>.parquet         a segment of a day, a hint
//!   month=2026-01/<fingerprint>.parquet           a segment of a month, a hint
//! ```
//!
//! The 2 in a name is the format. A name with a higher number is from a newer program, and a day
//! with such a name is refused. In a listing by name, the data of a day come before its `_m/`: a
//! reader that no longer sees a leaf does see the manifest that absorbed the leaf. Names of
//! format 1 are still read: `<leaf id>.parquet`, `c-<generation>-<attempt>-<part>.parquet` and
//! `_m/<generation>.json`.

use object_store::path::Path;

use crate::{
    base::Day,
    model::{BatchId, Fingerprint, LeafId, Period, PeriodLength, Rollup},
    store::list::raw_name::{ManifestTag, parquet_stem},
};

/// The file of the dataset's definition in format 1. Since format 2, the file only keeps programs
/// of format 1 out.
pub(crate) const DATASET_FILE: &str = "dataset.toml";

/// The folder of a day's manifests, tags and intents, inside the day's folder.
pub(super) const MANIFEST_FOLDER: &str = "_m";

/// The folder of the definitions.
pub(super) const DEFINITIONS_FOLDER: &str = "definitions";

/// The folder of the claims.
pub(super) const BATCHES_FOLDER: &str = "batches";

/// The format of the names that this program writes.
pub(super) const FORMAT: u32 = 2;

pub(super) const PARQUET: &str = ".parquet";

/// The folder of all raw files.
#[must_use]
pub(crate) fn raw_prefix() -> Path {
    Path::from("raw")
}

/// The folder of a day's raw files. `day` is a UTC day.
#[must_use]
pub(crate) fn raw_day_prefix(day: Day) -> Path {
    Path::from_iter(["raw".to_owned(), format!("date={day}")])
}

/// The path of a leaf.
#[must_use]
pub(crate) fn leaf_path(day: Day, leaf: &LeafId) -> Path {
    raw_day_prefix(day).join(format!("L{FORMAT}-{leaf}{PARQUET}"))
}

/// The folder of the rollup's segments that are built by its present definition.
#[must_use]
pub(crate) fn segments_prefix(rollup: &Rollup) -> Path {
    Path::from_iter(["rollups", rollup.folder(), rollup.definition_hash()])
}

/// The path of a segment.
#[must_use]
pub(crate) fn segment_path(rollup: &Rollup, period: Period, fingerprint: &Fingerprint) -> Path {
    segments_prefix(rollup).join(period.folder()).join(format!("{fingerprint}{PARQUET}"))
}

/// The path of the definition of that number.
#[must_use]
pub(crate) fn definition_path(number: u32) -> Path {
    Path::from_iter([DEFINITIONS_FOLDER.to_owned(), format!("{number}.toml")])
}

/// The number of the definition at a path below the root. `None` for any other path.
#[must_use]
pub(super) fn definition_number(path: &Path) -> Option<u32> {
    let name = path.as_ref().strip_prefix(DEFINITIONS_FOLDER)?.strip_prefix('/')?;
    let number = name.strip_suffix(".toml")?.parse().ok()?;
    (number > 0 && definition_path(number) == *path).then_some(number)
}

/// Whether a path below the root is that of a definition in format 1 that segments were built by.
/// Its name is the definition's hash.
#[must_use]
pub(super) fn is_definition_of_format_1(path: &Path) -> bool {
    let name = path.as_ref().strip_prefix(DEFINITIONS_FOLDER).and_then(|it| it.strip_prefix('/'));
    let hash = name.and_then(|name| name.strip_suffix(".toml"));
    hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The path of a claim on a caller's batch id. Claims are numbered from 0.
#[must_use]
pub(crate) fn claim_path(batch: &BatchId, claim: u32) -> Path {
    let name = batch.claims_name();
    Path::from_iter([BATCHES_FOLDER.to_owned(), format!("{name}.{claim}.json")])
}

/// The path of the claim on a caller's batch id in format 1.
#[must_use]
pub(crate) fn claim_path_format_1(batch: &BatchId) -> Path {
    Path::from_iter([BATCHES_FOLDER.to_owned(), format!("{}.json", batch.claims_name())])
}

/// Whether a path below the root is that of a claim.
#[must_use]
pub(super) fn is_claim(path: &Path) -> bool {
    let name = path.as_ref().strip_prefix(BATCHES_FOLDER).and_then(|it| it.strip_prefix('/'));
    let stem = name.and_then(|name| name.strip_suffix(".json"));
    let is_ours = |(hash, claim): (&str, &str)| {
        LeafId::parse(hash).is_some()
            && claim.parse::<u32>().is_ok_and(|number| number.to_string() == claim)
    };
    stem.and_then(|stem| stem.split_once('.')).is_some_and(is_ours)
}

/// The path of a generation's manifest.
#[must_use]
pub(crate) fn manifest_path(day: Day, generation: u32) -> Path {
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(format!("{FORMAT}-{generation:08}.json"))
}

/// The path of the intent to write a generation.
#[must_use]
pub(crate) fn intent_path(day: Day, generation: u32, attempt: &str) -> Path {
    let name = format!("{FORMAT}-{generation:08}-{attempt}.intent");
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(name)
}

/// The path of a manifest's tag, an empty file whose name holds the main facts of the manifest.
#[must_use]
pub(crate) fn tag_path(day: Day, tag: &ManifestTag) -> Path {
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(tag.file_name())
}

/// The name of a file of compacted rows.
#[must_use]
pub(crate) fn compacted_name(generation: u32, attempt: &str, part: usize) -> String {
    format!("C{FORMAT}-{generation:08}-{attempt}-{part:04}{PARQUET}")
}

/// The name of the remains of a purged day for the rollup with that definition hash.
#[must_use]
pub(crate) fn remains_name(generation: u32, attempt: &str, hash: &str) -> String {
    format!("P{FORMAT}-{generation:08}-{attempt}-{hash}{PARQUET}")
}

/// The path of a file that a manifest names. The remains of a day that was purged in format 1 are
/// segments; a manifest names them by their path below the root.
#[must_use]
pub(crate) fn raw_path(day: Day, name: &str) -> Path {
    if name.contains('/') { Path::from(name) } else { raw_day_prefix(day).join(name) }
}

/// The last part of a path.
#[must_use]
pub(crate) fn file_name(path: &Path) -> &str {
    path.as_ref().rsplit('/').next().unwrap_or_default()
}

/// The fingerprint in the name of a segment. `None` for any other name.
#[must_use]
pub(crate) fn segment_fingerprint(name: &str) -> Option<Fingerprint> {
    Fingerprint::parse(parquet_stem(name)?)
}

/// The day and the name of a path `<prefix>/date=YYYY-MM-DD/<name>`. The name includes any
/// folders below the day's folder.
#[must_use]
pub(crate) fn day_and_name<'p>(prefix: &Path, path: &'p Path) -> Option<(Day, &'p str)> {
    let (period, name) = period_and_name(PeriodLength::Day, prefix, path)?;
    Some((period.first(), name))
}

/// The period of that length and the name of a path `<prefix>/<period's folder>/<name>`. The name
/// is empty for the folder itself.
#[must_use]
pub(super) fn period_and_name<'p>(
    length: PeriodLength,
    prefix: &Path,
    path: &'p Path,
) -> Option<(Period, &'p str)> {
    let below = path.as_ref().strip_prefix(prefix.as_ref())?.strip_prefix('/')?;
    let (folder, name) = below.split_once('/').unwrap_or((below, ""));
    Some((length.parse(folder)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ContentHasher,
        store::list::raw_name::{RawName, Writer},
    };

    fn raw_name(path: &str) -> Option<RawName> {
        let path = Path::from(path);
        let (_, name) = day_and_name(&raw_prefix(), &path)?;
        RawName::parse(name)
    }

    #[test]
    fn names_read_back() {
        let day: Day = "2026-01-24".parse().unwrap();
        let content = ContentHasher::new().finish();
        let leaf = LeafId::of(&BatchId::try_new("b").unwrap(), 0, (day, 0), &content, 0);
        let path = leaf_path(day, &leaf);
        assert_eq!(path.as_ref(), format!("raw/date=2026-01-24/L2-{leaf}.parquet"));
        assert_eq!(raw_name(path.as_ref()), Some(RawName::Leaf(leaf.clone())));
        let old = format!("raw/date=2026-01-24/{leaf}.parquet");
        assert_eq!(raw_name(&old), Some(RawName::LeafOrForeign(leaf.clone())));
        let (found, name) = day_and_name(&raw_prefix(), &path).unwrap();
        assert_eq!((found, name), (day, file_name(&path)));

        let writer = Writer { generation: 7, attempt: "0123456789abcdef".to_owned() };
        let path = raw_path(day, &compacted_name(7, &writer.attempt, 12));
        assert_eq!(raw_name(path.as_ref()), Some(RawName::Compacted(writer.clone())));
        let old = format!("raw/date=2026-01-24/c-00000007-{}-0012.parquet", writer.attempt);
        assert_eq!(raw_name(&old), Some(RawName::Compacted(writer.clone())));
        let hash = "0011223344556677";
        let path = raw_path(day, &remains_name(7, &writer.attempt, hash));
        let remains = RawName::Remains(writer.clone(), hash.to_owned());
        assert_eq!(raw_name(path.as_ref()), Some(remains));
        assert_eq!(raw_name(manifest_path(day, 7).as_ref()), Some(RawName::Manifest(7)));
        let old = "raw/date=2026-01-24/_m/00000007.json";
        assert_eq!(raw_name(old), Some(RawName::Manifest(7)));
        let path = intent_path(day, 7, &writer.attempt);
        assert_eq!(raw_name(path.as_ref()), Some(RawName::Intent(writer.clone())));
        for (files, purged) in [(3, true), (0, false), (12, false)] {
            let (fingerprint, attempt) = (Fingerprint::of([&leaf]), writer.attempt.clone());
            let tag = ManifestTag { generation: 7, fingerprint, attempt, files, purged };
            assert_eq!(raw_name(tag_path(day, &tag).as_ref()), Some(RawName::Tag(tag)));
        }
    }

    #[test]
    fn data_come_before_manifests_and_intents_before_their_manifest() {
        let day: Day = "2026-01-24".parse().unwrap();
        let attempt = "0123456789abcdef";
        let content = ContentHasher::new().finish();
        let leaf = LeafId::of(&BatchId::try_new("b").unwrap(), 0, (day, 0), &content, 0);
        let names = [
            raw_path(day, &compacted_name(7, attempt, 12)),
            leaf_path(day, &leaf),
            raw_path(day, &remains_name(7, attempt, "0011223344556677")),
            intent_path(day, 7, attempt),
            manifest_path(day, 7),
        ];
        assert!(names.is_sorted());
    }

    #[test]
    fn definitions_and_claims_have_exactly_our_names() {
        assert_eq!(definition_number(&definition_path(12)), Some(12));
        let batch = BatchId::try_new("b").unwrap();
        assert!(is_claim(&claim_path(&batch, 0)) && is_claim(&claim_path(&batch, 10)));
        assert!(!is_claim(&claim_path_format_1(&batch)));
        for stray in ["definitions", "definitions/.DS_Store", "definitions/01.toml", "x/1.toml"] {
            assert_eq!(definition_number(&Path::from(stray)), None, "{stray}");
        }
    }

    #[test]
    fn names_of_newer_formats_are_known_as_such() {
        let names = [
            "L3-00112233445566778899aabbccddeeff",
            "C10-1-0123456789abcdef",
            "P3-00000001-0123456789abcdef-0",
        ];
        for name in names {
            let path = format!("raw/date=2026-01-24/{name}.parquet");
            assert_eq!(raw_name(&path), Some(RawName::Newer), "{name}");
        }
        assert_eq!(raw_name("raw/date=2026-01-24/_m/3-00000001.json"), Some(RawName::Newer));
        assert_eq!(raw_name("raw/date=2026-01-24/L-3.parquet"), Some(RawName::Foreign));
        for name in ["Logs2026", "C10", "P365", "L7-2026", "C99-report", "C3-facade"] {
            let path = format!("raw/date=2026-01-24/{name}.parquet");
            assert_eq!(raw_name(&path), Some(RawName::Foreign), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_data() {
        for path in [
            "raw/date=2026-01-24/_m/00000001-ab.json",
            "raw/date=2026-01-24/_m/1.json",
            "raw/date=2026-01-24/_m/2-00000001-ab-cd-1.tag",
            "raw/date=2026-01-24/_m/2-00000001-xy.intent",
            "raw/date=2026-01-24/_m/.DS_Store",
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

//! The names of a root's files. Pure: typed names to paths and back.
//!
//! ```text
//! definitions/<n>.toml                            n = 1, 2, …; the newest counts
//! batches/<hash of the batch id>.<claim>.json     what a named batch is
//! raw/date=2026-01-24/
//!   L2-<leaf id>.parquet                          a leaf
//!   C2-<generation>-<attempt>-<part>.parquet      merged rows
//!   P2-<generation>-<attempt>-<hash>.parquet      remains of a purged day, by definition hash
//!   _m/2-<generation>.json                        the manifest
//!   _m/2-<generation>-<attempt>.intent            a generation is being written
//!   _m/2-<generation>-<fingerprint>-<attempt>-<files>.tag    a manifest in a name
//! rollups/<name>/<definition hash>/
//!   date=2026-01-24/<fingerprint>.parquet         a hint
//!   month=2026-01/<fingerprint>.parquet           a hint
//! ```
//!
//! The 2 is the format. A name with a higher one is of a newer program, and its day is refused. In
//! a listing by name a day's data come before its `_m/`: who sees that a leaf is gone also sees
//! the manifest that absorbed the leaf. Format 1 had `<leaf id>.parquet`,
//! `c-<generation>-<attempt>-<part>.parquet` and `_m/<generation>.json`, which are read still.

use object_store::path::Path;

use crate::{
    base::Day,
    model::{BatchId, Fingerprint, LeafId, Period, PeriodLength, Rollup},
    store::list::raw_name::{ManifestTag, parquet_stem},
};

/// The dataset's definition in format 1. Since then the file only keeps older programs out.
pub(crate) const DATASET_FILE: &str = "dataset.toml";

/// Where a day's manifests are, in its folder.
pub(super) const MANIFEST_FOLDER: &str = "_m";

/// Where the definitions are.
pub(super) const DEFINITIONS_FOLDER: &str = "definitions";

/// Where the claims on batch ids are.
pub(super) const BATCHES_FOLDER: &str = "batches";

/// The format of names that this program writes.
pub(super) const FORMAT: u32 = 2;

pub(super) const PARQUET: &str = ".parquet";

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
    raw_day_prefix(day).join(format!("L{FORMAT}-{leaf}{PARQUET}"))
}

/// Where a rollup's segments are, those of its present definition.
#[must_use]
pub(crate) fn segments_prefix(rollup: &Rollup) -> Path {
    Path::from_iter(["rollups", rollup.folder(), rollup.definition_hash()])
}

/// Where that segment is.
#[must_use]
pub(crate) fn segment_path(rollup: &Rollup, period: Period, fingerprint: &Fingerprint) -> Path {
    segments_prefix(rollup).join(period.folder()).join(format!("{fingerprint}{PARQUET}"))
}

/// Where the definition of that number is.
#[must_use]
pub(crate) fn definition_path(number: u32) -> Path {
    Path::from_iter([DEFINITIONS_FOLDER.to_owned(), format!("{number}.toml")])
}

/// The number of the definition that a file below the root is.
#[must_use]
pub(super) fn definition_number(path: &Path) -> Option<u32> {
    let name = path.as_ref().strip_prefix(DEFINITIONS_FOLDER)?.strip_prefix('/')?;
    let number = name.strip_suffix(".toml")?.parse().ok()?;
    (number > 0 && definition_path(number) == *path).then_some(number)
}

/// Whether a file below the root is a definition that segments were built by in format 1.
#[must_use]
pub(super) fn is_definition_of_format_1(path: &Path) -> bool {
    let name = path.as_ref().strip_prefix(DEFINITIONS_FOLDER).and_then(|it| it.strip_prefix('/'));
    let hash = name.and_then(|name| name.strip_suffix(".toml"));
    hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Where that claim on a caller's batch id is; claims are counted from 0.
#[must_use]
pub(crate) fn claim_path(batch: &BatchId, claim: u32) -> Path {
    let name = batch.claims_name();
    Path::from_iter([BATCHES_FOLDER.to_owned(), format!("{name}.{claim}.json")])
}

/// Where the claim on a caller's batch id was in format 1.
#[must_use]
pub(crate) fn claim_path_format_1(batch: &BatchId) -> Path {
    Path::from_iter([BATCHES_FOLDER.to_owned(), format!("{}.json", batch.claims_name())])
}

/// Whether a file below the root has the name of a claim.
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

/// Where that generation's manifest is.
#[must_use]
pub(crate) fn manifest_path(day: Day, generation: u32) -> Path {
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(format!("{FORMAT}-{generation:08}.json"))
}

/// Where the intent to write that generation is.
#[must_use]
pub(crate) fn intent_path(day: Day, generation: u32, attempt: &str) -> Path {
    let name = format!("{FORMAT}-{generation:08}-{attempt}.intent");
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(name)
}

/// Where what a manifest says is kept as a name.
#[must_use]
pub(crate) fn tag_path(day: Day, tag: &ManifestTag) -> Path {
    raw_day_prefix(day).join(MANIFEST_FOLDER).join(tag.file_name())
}

/// The name of a file of merged rows.
#[must_use]
pub(crate) fn compacted_name(generation: u32, attempt: &str, part: usize) -> String {
    format!("C{FORMAT}-{generation:08}-{attempt}-{part:04}{PARQUET}")
}

/// The name of what remains of a purged day for the rollup of that definition hash.
#[must_use]
pub(crate) fn remains_name(generation: u32, attempt: &str, hash: &str) -> String {
    format!("P{FORMAT}-{generation:08}-{attempt}-{hash}{PARQUET}")
}

/// Where a file of that name in a day's folder is. The remains of a day that was purged in format 1
/// are segments, whose names are paths below the root.
#[must_use]
pub(crate) fn raw_path(day: Day, name: &str) -> Path {
    if name.contains('/') { Path::from(name) } else { raw_day_prefix(day).join(name) }
}

/// The name of a file in its folder.
#[must_use]
pub(crate) fn file_name(path: &Path) -> &str {
    path.as_ref().rsplit('/').next().unwrap_or_default()
}

/// The fingerprint that the name of a segment is.
#[must_use]
pub(crate) fn segment_fingerprint(name: &str) -> Option<Fingerprint> {
    Fingerprint::parse(parquet_stem(name)?)
}

/// The day of `<prefix>/date=YYYY-MM-DD/<name>`, and the name, folders and all.
#[must_use]
pub(crate) fn day_and_name<'p>(prefix: &Path, path: &'p Path) -> Option<(Day, &'p str)> {
    let (period, name) = period_and_name(PeriodLength::Day, prefix, path)?;
    Some((period.first(), name))
}

/// The period of that length whose folder below the prefix a file is in, and the file's name; empty
/// for the folder itself.
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

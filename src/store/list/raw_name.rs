//! Parses the names of files in a day's raw folder. Pure.

use object_store::path::Path;

use crate::{
    model::{Fingerprint, LeafId, Manifest, ManifestState},
    store::layout::{FORMAT, PARQUET, file_name},
};

/// The facts of a manifest that are needed to answer from rollups or to read the day's files. A
/// tag is an empty file with these facts in its name, so readers don't have to fetch the
/// manifest. Only a program that has written or read the manifest writes its tag, so a tag is
/// true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestTag {
    /// The manifest's generation.
    pub generation: u32,
    /// The manifest's fingerprint, over the absorbed leaves and the erasure marks.
    pub fingerprint: Fingerprint,
    /// The run that wrote the manifest. The manifest's files have the same attempt in their
    /// names, unless the manifest closes a generation.
    pub attempt: String,
    /// The number of files that the manifest names: files of remains for a purged day, otherwise
    /// files that have rows.
    pub files: usize,
    /// Whether the day is purged.
    pub purged: bool,
}

impl ManifestTag {
    /// The tag of a manifest.
    #[must_use]
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let purged = manifest.state == ManifestState::Purged;
        let with_rows = manifest.files.iter().filter(|file| file.rows > 0);
        let files = if purged { manifest.remains.len() } else { with_rows.count() };
        Self {
            generation: manifest.generation,
            fingerprint: manifest.fingerprint(),
            attempt: manifest.attempt.clone(),
            files,
            purged,
        }
    }

    pub(crate) fn file_name(&self) -> String {
        let Self { generation, fingerprint, attempt, files, purged } = self;
        let purged = if *purged { "purged-" } else { "" };
        format!("{FORMAT}-{generation:08}-{fingerprint}-{attempt}-{purged}{files}.tag")
    }

    fn parse(name: &str) -> Option<Self> {
        let words: Vec<_> = name.strip_suffix(".tag")?.split('-').collect();
        let (generation, fingerprint, attempt, purged, files) = match words.as_slice() {
            [_, generation, fingerprint, attempt, files] => {
                (generation, fingerprint, attempt, false, files)
            }
            [_, generation, fingerprint, attempt, "purged", files] => {
                (generation, fingerprint, attempt, true, files)
            }
            _ => return None,
        };
        let tag = Self {
            generation: generation.parse().ok()?,
            fingerprint: Fingerprint::parse(fingerprint)?,
            attempt: (*attempt).to_owned(),
            files: files.parse().ok()?,
            purged,
        };
        (tag.file_name() == name).then_some(tag)
    }
}

/// A run that wrote files of a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Writer {
    /// The generation.
    pub generation: u32,
    /// The run's id, 16 hexadecimal digits.
    pub attempt: String,
}

/// The kind of a file in a day's raw folder, parsed from its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawName {
    /// A leaf.
    Leaf(LeafId),
    /// A leaf of format 1, or another tool's file with such a name.
    LeafOrForeign(LeafId),
    /// Another tool's file.
    Foreign,
    /// A file of merged rows.
    Compacted(Writer),
    /// A file of a purged day's remains, with the hash of the rollup's definition.
    Remains(Writer, String),
    /// A manifest of this generation.
    Manifest(u32),
    /// A manifest's tag.
    Tag(ManifestTag),
    /// An intent to write a generation.
    Intent(Writer),
    /// A file of ours in a newer format.
    Newer,
}

impl RawName {
    /// Parses the part of a path after `raw/date=YYYY-MM-DD/`; `None` when the file is no data.
    /// Outside `_m/`, names that start with `_` or `.` are other tools' temporary or marker
    /// files.
    #[must_use]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix("_m/") {
            return Self::parse_inner(name);
        }
        let stem = parquet_stem(name)?;
        let words: Vec<_> = stem.split('-').collect();
        let (format, kind) = format_of(words.first()?);
        let is_newer = format.is_some_and(|format| format > FORMAT);
        Some(match (kind, format, words.as_slice()) {
            // Names of a newer format may change, but their words stay ids in hexadecimal digits:
            // `C10-2026.parquet` is another tool's.
            ("L" | "C" | "P", _, [_, ids @ ..]) if is_newer && is_of_ids(ids) => Self::Newer,
            ("L", Some(FORMAT), [_, id]) => LeafId::parse(id).map_or(Self::Foreign, Self::Leaf),
            ("C", Some(FORMAT), [_, generation, attempt, part])
            | ("c", None, [_, generation, attempt, part]) => {
                writer(generation, attempt, part).map_or(Self::Foreign, Self::Compacted)
            }
            ("P", Some(FORMAT), [_, generation, attempt, hash]) if hash.len() == 16 => {
                let writer = writer(generation, attempt, "0000");
                let remains = |writer| Self::Remains(writer, (*hash).to_owned());
                writer.map_or(Self::Foreign, remains)
            }
            _ => LeafId::parse(stem).map_or(Self::Foreign, Self::LeafOrForeign),
        })
    }

    fn parse_inner(name: &str) -> Option<Self> {
        if let Some(digits) = name.strip_suffix(".json").filter(|digits| digits.len() == 8) {
            return digits.parse().ok().map(Self::Manifest);
        }
        let (format, rest) = name.split_once('-')?;
        match format.parse::<u32>().ok()? {
            FORMAT => {}
            newer if newer > FORMAT => return Some(Self::Newer),
            _ => return None,
        }
        if let Some(digits) = rest.strip_suffix(".json").filter(|digits| digits.len() == 8) {
            return digits.parse().ok().map(Self::Manifest);
        }
        if let Some(words) = rest.strip_suffix(".intent") {
            let (generation, attempt) = words.split_once('-')?;
            return writer(generation, attempt, "0000").map(Self::Intent);
        }
        ManifestTag::parse(name).map(Self::Tag)
    }
}

/// Whether the path can only be a file of ours, whatever the file contains.
#[must_use]
pub(crate) fn is_named_ours(path: &Path) -> bool {
    let of_rollup = path.as_ref().starts_with("rollups/");
    let name = RawName::parse(file_name(path));
    of_rollup || !matches!(name, None | Some(RawName::Foreign | RawName::LeafOrForeign(_)))
}

/// Splits a word such as `L2` into the format and the kind. The format is `None` when the word
/// doesn't end in a number.
fn format_of(word: &str) -> (Option<u32>, &str) {
    let kind = word.trim_end_matches(|c: char| c.is_ascii_digit());
    (word.get(kind.len()..).and_then(|digits| digits.parse().ok()), kind)
}

/// Whether the words are all hexadecimal digits, at least [`IDS_MIN`] of them in total.
fn is_of_ids(words: &[&str]) -> bool {
    let is_hex = |word: &&str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words.iter().all(is_hex) && words.iter().map(|word| word.len()).sum::<usize>() >= IDS_MIN
}

/// The fewest digits of an id. Fewer digits don't tell one run from another.
const IDS_MIN: usize = 16;

fn writer(generation: &str, attempt: &str, part: &str) -> Option<Writer> {
    let lengths = (generation.len(), attempt.len(), part.len() >= 4);
    let hex = attempt.bytes().all(|byte| byte.is_ascii_hexdigit());
    part.parse::<u32>().ok().filter(|_| hex && lengths == (8, 16, true))?;
    Some(Writer { generation: generation.parse().ok()?, attempt: attempt.to_owned() })
}

/// The name of a Parquet data file without its extension; `None` for any other name.
pub(crate) fn parquet_stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(PARQUET)?;
    (!stem.is_empty() && !stem.starts_with(['_', '.']) && !stem.contains('/')).then_some(stem)
}

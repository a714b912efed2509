//! What the name of a file in a day's raw folder says. Pure.

use object_store::path::Path;

use crate::{
    model::{Fingerprint, LeafId, Manifest, ManifestState},
    store::layout::{FORMAT, PARQUET, file_name},
};

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
    /// How many files it names: of rows, but for a file without rows; or of remains.
    pub files: usize,
    /// Whether the day is purged.
    pub purged: bool,
}

impl ManifestTag {
    /// The tag of that manifest.
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
    /// The run.
    pub attempt: String,
}

/// What the name of a file in a day's raw folder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawName {
    /// A leaf.
    Leaf(LeafId),
    /// A leaf of format 1, or another tool's file of that name.
    LeafOrForeign(LeafId),
    /// Another tool's file.
    Foreign,
    /// Merged rows.
    Compacted(Writer),
    /// What remains of a purged day, with the hash of the rollup's definition.
    Remains(Writer, String),
    /// A manifest, of that generation.
    Manifest(u32),
    /// A manifest's tag.
    Tag(ManifestTag),
    /// An intent to write a generation.
    Intent(Writer),
    /// A file of ours in a newer format.
    Newer,
}

impl RawName {
    /// Reads what comes behind `raw/date=YYYY-MM-DD/`. Other names that start with `_` or `.` are
    /// other tools' temporary or marker files, and no data.
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
            // Whatever these names become, they stay ids in hexadecimal digits: `C10-2026.parquet`
            // is another tool's.
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

/// Whether only a file of ours has such a path: it is nobody else's, whatever it holds.
#[must_use]
pub(crate) fn is_named_ours(path: &Path) -> bool {
    let of_rollup = path.as_ref().starts_with("rollups/");
    let name = RawName::parse(file_name(path));
    of_rollup || !matches!(name, None | Some(RawName::Foreign | RawName::LeafOrForeign(_)))
}

/// The format that a name's first word ends in, if any, and the word before it.
fn format_of(word: &str) -> (Option<u32>, &str) {
    let kind = word.trim_end_matches(|c: char| c.is_ascii_digit());
    (word.get(kind.len()..).and_then(|digits| digits.parse().ok()), kind)
}

/// Whether all of these words are hexadecimal digits, as many as ids have.
fn is_of_ids(words: &[&str]) -> bool {
    let is_hex = |word: &&str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words.iter().all(is_hex) && words.iter().map(|word| word.len()).sum::<usize>() >= IDS_MIN
}

/// Fewer digits don't tell one run from another.
const IDS_MIN: usize = 16;

fn writer(generation: &str, attempt: &str, part: &str) -> Option<Writer> {
    let lengths = (generation.len(), attempt.len(), part.len() >= 4);
    let hex = attempt.bytes().all(|byte| byte.is_ascii_hexdigit());
    part.parse::<u32>().ok().filter(|_| hex && lengths == (8, 16, true))?;
    Some(Writer { generation: generation.parse().ok()?, attempt: attempt.to_owned() })
}

/// The name without its ending, of a Parquet file that is data.
pub(crate) fn parquet_stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(PARQUET)?;
    (!stem.is_empty() && !stem.starts_with(['_', '.']) && !stem.contains('/')).then_some(stem)
}

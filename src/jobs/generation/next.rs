//! A day's next generation: the one sequence of steps by which compaction, erasure and purge
//! replace the files of a day's rows.
//!
//! | failpoint | step | why in this order |
//! |---|---|---|
//! | `rewrite.snapshot` | list the day, read the newest manifest | |
//! | `rewrite.intent` | create `_m/2-<generation>-<attempt>.intent` | the intent explains every file of this generation and attempt that appears later |
//! | `rewrite.data` | create the files, at least one even when no row is left | a file proves that its manifest existed |
//! | `rewrite.read_back` | read all files back from the store | a manifest never names a damaged file |
//! | `rewrite.commit` | create `_m/2-<generation>.json` | the writer that creates the manifest first decides; every other writer has lost and starts again |
//! | `rewrite.tag`, `rewrite.intent_deleted` | create the tag, delete the intent | the tag is a second proof that the manifest existed |
//!
//! A writer that dies leaves files and an intent. `gc` deletes them after closing the generation. A
//! writer that lost deletes its files, then its intent.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;

use crate::{
    base::{Day, Error, ErrorKind, Result, failpoint},
    jobs::JobContext,
    model::{
        Absorbed, ContentHash, Leaf, LeafDay, LeafId, LeafKind, MANIFEST_FORMAT, Manifest,
        ManifestFile, ManifestState, Remains, sorted_ids,
    },
    store::{
        Creation, FileKind, ManifestTag, create_bytes, create_file, create_manifest, create_tag,
        delete_file, file_footer, foreign_file, intent_path, leaf_in, lost_file, raw_path,
        read_base, read_body, read_footer, read_metadata,
    },
};

/// A generation that is being written.
#[derive(Debug)]
pub(crate) struct Generation<'a> {
    context: JobContext<'a>,
    day: Day,
    /// The manifest whose rows this generation starts from; `None` when the day has no manifest
    /// yet.
    pub(crate) base: Option<Arc<Manifest>>,
    /// The generation's number.
    pub(crate) number: u32,
    /// The run's random name: 64 bits in hex.
    pub(crate) attempt: String,
    /// The files that this run has begun to create.
    created: Mutex<Vec<Path>>,
}

/// The content of a generation's manifest.
#[derive(Debug)]
pub(crate) struct NextManifest {
    pub(crate) state: ManifestState,
    /// The leaves whose rows are absorbed now, beside those that the previous manifest absorbed.
    pub(crate) taken: Vec<Absorbed>,
    /// The marks of erasures that are added now, beside those in the previous manifest.
    pub(crate) marks: Vec<LeafId>,
    pub(crate) files: Vec<ManifestFile>,
    pub(crate) content: ContentHash,
    pub(crate) remains: Vec<Remains>,
    pub(crate) definitions: Vec<String>,
}

impl<'a> Generation<'a> {
    /// Begins the generation after the one in `live`: creates its intent.
    ///
    /// # Errors
    /// `Corrupt` when a file that the manifest names is gone; `NotFound` or `Corrupt` when the
    /// manifest can't be read; `Unavailable` when the store refuses.
    pub(crate) async fn begin(context: JobContext<'a>, live: &LeafDay) -> Result<Self> {
        if let Some(lost) = live.lost.first() {
            return Err(lost_file(context.root, lost));
        }
        let base = match &live.base {
            None => None,
            Some(base) => Some(read_base(context.root, live.day, base).await?),
        };
        let number = base.as_ref().map_or(0, |base| base.generation) + 1;
        let attempt = format!("{:016x}", rand::random::<u64>());
        failpoint("rewrite.snapshot");
        let intent = intent_path(live.day, number, &attempt);
        create_bytes(context.root, context.staging, &intent, Bytes::new()).await?;
        failpoint("rewrite.intent");
        let created = Mutex::default();
        Ok(Self { context, day: live.day, base, number, attempt, created })
    }

    /// The generation that the rows are read from; 0 when there is none.
    pub(crate) fn previous_number(&self) -> u32 {
        self.number - 1
    }

    /// Creates a file of `rows` rows from the file `staged`, and reads it back. The file doesn't
    /// count until a manifest names it. Gives the file's entry for the manifest, and the file's
    /// bytes.
    ///
    /// # Errors
    /// `Corrupt` when the file reads back as other bytes; `Conflict` when a file with other rows
    /// has the name; `Unavailable` when the disk or the store refuses.
    pub(crate) async fn create(
        &self,
        name: String,
        rows: u64,
        staged: &std::path::Path,
        kind: &FileKind,
    ) -> Result<(ManifestFile, Bytes)> {
        let root = self.context.root;
        let meant = tokio::fs::read(staged).await;
        let meant = Bytes::from(meant.map_err(|error| Error::io(staged.display(), error))?);
        let (bytes, blake3) = (meant.len() as u64, blake3::hash(&meant).to_hex().to_string());
        let file = ManifestFile { name, bytes, rows, blake3 };
        let location = location(self.day, &file);
        self.created.lock().unwrap_or_else(PoisonError::into_inner).push(location.clone());
        let read_back = || async {
            let Some(found) = read_footer(root, &location).await? else { return Ok(None) };
            if found.kind == *kind {
                return Ok(Some(Creation::New));
            }
            let name = root.full_name(&location);
            Err(Error::conflict(format!("{name}: is there with other rows")))
        };
        create_file(root, &location, staged, read_back).await?;
        failpoint("rewrite.data");
        drop(std::fs::remove_file(staged));
        let there = read_as_meant(self.context, &location, &meant).await?;
        Ok((file, there))
    }

    /// All absorbed leaves, by id: those of the previous manifest, and `taken`.
    pub(crate) fn absorbed(&self, taken: &[Absorbed]) -> Vec<Absorbed> {
        let before = self.base.iter().flat_map(|base| &base.absorbed);
        // An erasure voids a lost leaf before it finds that a copy of the leaf counts. The rows of
        // the copy are accounted for, so that a retry of the batch doesn't add them.
        let (voids, with_rows): (Vec<_>, Vec<_>) = taken.iter().partition(|leaf| leaf.void);
        let mut all: Vec<_> = before.chain(with_rows).chain(voids).cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|a, b| a.id == b.id);
        all
    }

    /// All marks, sorted: those of the previous manifest, and `new`.
    pub(crate) fn marks(&self, new: &[LeafId]) -> Vec<LeafId> {
        let before = self.base.iter().flat_map(|base| &base.marks);
        sorted_ids(before.chain(new).cloned())
    }

    /// Creates the manifest. `false` when another run created this generation's manifest first:
    /// nothing changed then, and this run's files are deleted.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses. The manifest may then be visible or not. The files
    /// stay, and `gc` decides later.
    pub(crate) async fn commit(self, next: NextManifest) -> Result<bool> {
        let JobContext { root, staging, .. } = self.context;
        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            generation: self.number,
            date: self.day.to_string(),
            attempt: self.attempt.clone(),
            previous: self.base.as_ref().map(|base| base.hash.clone()),
            state: next.state,
            absorbed: self.absorbed(&next.taken),
            marks: self.marks(&next.marks),
            files: next.files,
            content: next.content,
            remains: next.remains,
            definitions: next.definitions,
            hash: String::new(),
            ids: Vec::new(),
        };
        failpoint("rewrite.read_back");
        if !create_manifest(root, staging, self.day, &manifest).await? {
            failpoint("rewrite.lost");
            self.clean().await?;
            return Ok(false);
        }
        failpoint("rewrite.commit");
        create_tag(root, staging, self.day, &ManifestTag::of(&manifest)).await?;
        failpoint("rewrite.tag");
        delete_file(root, &intent_path(self.day, self.number, &self.attempt)).await?;
        failpoint("rewrite.intent_deleted");
        Ok(true)
    }

    /// Gives this generation up before its manifest, and returns the reason `why`. Deletes the
    /// run's files, then its intent. When `why` is `Unavailable`, the store's answer may be
    /// missing and a file may still appear, so everything stays for `gc`.
    pub(crate) async fn give_up(self, why: Error) -> Error {
        if why.kind() != ErrorKind::Unavailable {
            drop(self.clean().await);
        }
        why
    }

    async fn clean(&self) -> Result<()> {
        let root = self.context.root;
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for file in &created {
            delete_file(root, file).await?;
        }
        delete_file(root, &intent_path(self.day, self.number, &self.attempt)).await
    }
}

/// Reads a file from the store. Its bytes must equal `meant`.
///
/// # Errors
/// `Corrupt` when the file is gone or has other bytes; `Unavailable` when the store refuses.
async fn read_as_meant(context: JobContext<'_>, file: &Path, meant: &Bytes) -> Result<Bytes> {
    let name = || context.root.full_name(file);
    let found = context.root.look(file).await?;
    let found = found.ok_or_else(|| Error::corrupt(format!("{}: is gone again", name())))?;
    let there = read_body(context.root, file, found.size).await?;
    if there == *meant {
        return Ok(there);
    }
    Err(Error::corrupt(format!("{}: reads back as other bytes than were written", name())))
}

/// The manifest's entries for the loose leaves among `leaves`.
///
/// # Errors
/// `Corrupt` when a file of ours holds no leaf; `Conflict` when another tool's file has a column
/// that the dataset lacks; `NotFound` when a file is gone; `Unavailable` when the store refuses.
pub(crate) async fn absorb(context: JobContext<'_>, leaves: &[Arc<Leaf>]) -> Result<Vec<Absorbed>> {
    let mut absorbed = Vec::new();
    for leaf in leaves.iter().filter(|leaf| leaf.is_loose()) {
        let id = leaf.id.clone();
        if leaf.kind == LeafKind::Foreign {
            check_columns(context, leaf).await?;
            let foreign = Some(foreign_file(context.root, &leaf.file).await?);
            absorbed.push(Absorbed { id, content: None, void: false, foreign });
            absorbed.extend(leaf_copied_to(context, leaf).await?);
            continue;
        }
        let footer = file_footer(context.root, &leaf.file).await?;
        let leaf = footer.leaf().ok_or_else(|| {
            let name = context.root.full_name(&leaf.file.location);
            Error::corrupt(format!("{name}: holds no leaf"))
        })?;
        let (content, void) = (Some(leaf.content.clone()), leaf.void.is_some());
        absorbed.push(Absorbed { id, content, void, foreign: None });
    }
    Ok(absorbed)
}

/// The entry of the leaf that a file with another tool's name is a copy of, if it is one. The copy
/// counts in the place of a lost leaf. If that leaf comes back, or its batch is appended again, its
/// rows must not count beside the copy's.
async fn leaf_copied_to(context: JobContext<'_>, copy: &Leaf) -> Result<Option<Absorbed>> {
    let leaf = leaf_in(context.root, &copy.file).await?.filter(|leaf| leaf.void.is_none());
    Ok(leaf.map(|leaf| Absorbed {
        id: leaf.id,
        content: Some(leaf.content),
        void: false,
        foreign: None,
    }))
}

/// Makes sure that another tool's file has no column that the dataset lacks: the file written in
/// its place would lose that column.
async fn check_columns(context: JobContext<'_>, leaf: &Leaf) -> Result<()> {
    let metadata = read_metadata(context.root, &leaf.file).await?;
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let names = fields.iter().map(|field| field.name());
    let extra: Vec<_> = names.filter(|name| context.dataset.column(name).is_none()).collect();
    if extra.is_empty() {
        return Ok(());
    }
    let names = extra.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Err(Error::conflict(format!(
        "{}: another tool wrote this file, and its columns {names} would be lost; nothing was \
         changed. Add them to the definition (`init --replace`), or move the file away",
        context.root.full_name(&leaf.file.location)
    )))
}

/// The path of a manifest's file in the day's folder.
pub(crate) fn location(day: Day, file: &ManifestFile) -> Path {
    raw_path(day, &file.name)
}

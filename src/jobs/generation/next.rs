//! A day's next generation: the one sequence by which compaction, erasure and purge change what a
//! day's rows are in.
//!
//! | step | what | why in this order |
//! |---|---|---|
//! | `rewrite.snapshot` | list the day, read the newest manifest | |
//! | `rewrite.intent` | create `_m/2-<generation>-<attempt>.intent` | from here on files of that generation and attempt have a reason to exist |
//! | `rewrite.data` | create the files, at least one even when no row is left | a file is the witness that a manifest was there |
//! | `rewrite.read_back` | read all of them from the store | nothing damaged is ever named |
//! | `rewrite.commit` | create `_m/2-<generation>.json` | whoever creates it first decides; everybody else has lost, and starts again |
//! | `rewrite.tag`, `rewrite.intent_deleted` | write the tag, delete the intent | the tag is a second witness |
//!
//! A writer that dies leaves files and an intent, which `gc` takes away after it has closed the
//! generation. A writer that lost deletes its files, then its intent.

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
        delete_file, file_footer, foreign_file, intent_path, raw_path, read_base, read_body,
        read_footer, read_metadata,
    },
};

/// A generation that is being written.
#[derive(Debug)]
pub(crate) struct Generation<'a> {
    context: JobContext<'a>,
    day: Day,
    /// The manifest that the rows are read of, if there is one.
    pub(crate) base: Option<Arc<Manifest>>,
    /// Its number.
    pub(crate) number: u32,
    /// This run's name, 64 bits in hex.
    pub(crate) attempt: String,
    /// The files that this run has begun to create.
    created: Mutex<Vec<Path>>,
}

/// What a generation's manifest is to say.
#[derive(Debug)]
pub(crate) struct NextManifest {
    pub(crate) state: ManifestState,
    /// The leaves whose rows were taken in, beside those of the manifest before.
    pub(crate) taken: Vec<Absorbed>,
    /// The marks of erasures, beside those before.
    pub(crate) marks: Vec<LeafId>,
    pub(crate) files: Vec<ManifestFile>,
    pub(crate) content: ContentHash,
    pub(crate) remains: Vec<Remains>,
    pub(crate) definitions: Vec<String>,
}

impl<'a> Generation<'a> {
    /// Announces the generation behind the one that `live` was listed with.
    ///
    /// # Errors
    /// What reading the manifest meets; `Unavailable` when the store refuses.
    pub(crate) async fn begin(context: JobContext<'a>, live: &LeafDay) -> Result<Self> {
        if let Some(lost) = live.lost.first() {
            return Err(Error::corrupt(format!(
                "{}: the day's manifest names this file, and it is gone; nothing was changed",
                context.root.full_name(lost)
            )));
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

    /// The generation that the rows are read of; 0 when there is none.
    pub(crate) fn from(&self) -> u32 {
        self.number - 1
    }

    /// Creates a staged file of that name and those rows, which nobody counts yet, and reads it
    /// back; what the manifest is to say of it, and its bytes.
    ///
    /// # Errors
    /// `Corrupt` when it reads back as other bytes; `Unavailable` when the store refuses.
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

    /// All leaves that the manifest is to account for: those of the manifest before, and these.
    pub(crate) fn absorbed(&self, taken: &[Absorbed]) -> Vec<Absorbed> {
        let before = self.base.iter().flat_map(|base| &base.absorbed);
        let mut all: Vec<_> = before.chain(taken).cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|a, b| a.id == b.id);
        all
    }

    /// All marks: those of the manifest before, and these.
    pub(crate) fn marks(&self, new: &[LeafId]) -> Vec<LeafId> {
        let before = self.base.iter().flat_map(|base| &base.marks);
        sorted_ids(before.chain(new).cloned())
    }

    /// Makes the manifest; `false` when another run was faster: nothing changed then, and the files
    /// of this one are gone.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses, and whether the manifest became visible is open: its
    /// files stay, and `gc` sees.
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

    /// Gives the generation up before its manifest, for that reason: deletes its files, then its
    /// intent. Where a store's answer is missing, a file may still appear: then all stays for `gc`.
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

/// A file's bytes as the store has them, which must be those.
///
/// # Errors
/// `Corrupt` when they are others; or what the store says.
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

/// What a manifest says of those leaves, once it has their rows.
///
/// # Errors
/// What reading their footers meets; `Corrupt` for a file that holds no raw rows.
pub(crate) async fn absorb(context: JobContext<'_>, leaves: &[Arc<Leaf>]) -> Result<Vec<Absorbed>> {
    let mut absorbed = Vec::new();
    for leaf in leaves.iter().filter(|leaf| leaf.is_loose()) {
        let id = leaf.id.clone();
        if leaf.kind == LeafKind::Foreign {
            check_columns(context, leaf).await?;
            let foreign = Some(foreign_file(context.root, &leaf.file).await?);
            absorbed.push(Absorbed { id, content: None, void: false, foreign });
            continue;
        }
        let account = file_footer(context.root, &leaf.file).await?;
        let leaf = account.leaf().ok_or_else(|| {
            let name = context.root.full_name(&leaf.file.location);
            Error::corrupt(format!("{name}: holds no leaf"))
        })?;
        let (content, void) = (Some(leaf.content.clone()), leaf.void.is_some());
        absorbed.push(Absorbed { id, content, void, foreign: None });
    }
    Ok(absorbed)
}

/// Another tool's file must have no columns that the dataset lacks: what is written in its place
/// would be without them.
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

/// Where a file of that name in that day's folder is.
pub(crate) fn location(day: Day, file: &ManifestFile) -> Path {
    raw_path(day, &file.name)
}

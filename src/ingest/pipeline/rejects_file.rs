//! The file that bad rows are kept in.
//!
//! What it held before is replaced once the whole input was read: a run that fails sooner leaves it
//! alone. A pipe, a terminal and the like are written to as the rows come.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::{
    base::{Error, Result},
    store::Unfinished,
};

/// Symbolic links that are followed before they are taken for a loop.
const LINKS_MAX: usize = 40;

/// Where bad rows go. Nothing is opened yet.
#[derive(Clone, Debug)]
pub(crate) struct RejectsPath {
    /// As the caller named it.
    name: String,
    context: AppendContext,
}

#[derive(Clone, Debug)]
enum AppendContext {
    /// A file on disk, there or not, behind all symbolic links.
    File { folder: PathBuf, path: PathBuf },
    /// What is written to directly, such as a pipe.
    Stream(PathBuf),
}

/// The file, being written.
#[derive(Debug)]
pub(crate) struct RejectsFile {
    name: String,
    target: Target,
}

#[derive(Debug)]
enum Target {
    File { unfinished: BufWriter<Unfinished>, path: PathBuf },
    Stream(BufWriter<File>),
}

impl RejectsPath {
    /// # Errors
    /// `NotFound` when its folder isn't there; `Invalid` for a folder.
    pub(crate) fn try_new(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let context = context(path).map_err(|error| Error::io(&name, error))?;
        Ok(Self { name, context })
    }

    /// Fails when it is the file that this is the metadata of, which is `what`.
    ///
    /// # Errors
    /// `Invalid` if it is.
    pub(crate) fn refuse_to_be(&self, other: &Metadata, what: &str) -> Result<()> {
        // A terminal, a socket and /dev/null can be read and written at once.
        let kind = other.file_type();
        if kind.is_char_device() || kind.is_socket() {
            return Ok(());
        }
        let (AppendContext::File { path, .. } | AppendContext::Stream(path)) = &self.context;
        let own = fs::metadata(path).ok();
        if own.is_some_and(|own| (own.dev(), own.ino()) == (other.dev(), other.ino())) {
            return Err(Error::invalid(format!(
                "{}: bad rows can't be written over {what}; give --rejects another file",
                self.name
            )));
        }
        Ok(())
    }

    /// Fails when it is below that folder.
    ///
    /// # Errors
    /// `Invalid` if it is.
    pub(crate) fn refuse_below(&self, root: &Path) -> Result<()> {
        let AppendContext::File { folder, .. } = &self.context else { return Ok(()) };
        let (folder, root) = (fs::canonicalize(folder), fs::canonicalize(root));
        if let (Ok(folder), Ok(root)) = (folder, root)
            && folder.starts_with(root)
        {
            return Err(Error::invalid(format!(
                "{}: bad rows can't be written into the root; give --rejects another file",
                self.name
            )));
        }
        Ok(())
    }

    /// Opens it for writing.
    ///
    /// # Errors
    /// `Unavailable` when it can't be made.
    pub(crate) fn open(&self) -> Result<RejectsFile> {
        let fail = |error| Error::io(&self.name, error);
        let target = match &self.context {
            AppendContext::File { folder, path } => {
                let unfinished = Unfinished::create_in(folder).map_err(fail)?;
                Target::File { unfinished: BufWriter::new(unfinished), path: path.clone() }
            }
            AppendContext::Stream(path) => {
                // Standard output may go to a file that holds more than this.
                let opened = OpenOptions::new().append(true).open(path).map_err(fail)?;
                Target::Stream(BufWriter::new(opened))
            }
        };
        Ok(RejectsFile { name: self.name.clone(), target })
    }
}

impl RejectsFile {
    /// Adds a line.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full.
    pub(crate) fn write(&mut self, line: &[u8]) -> Result<()> {
        let writer: &mut dyn Write = match &mut self.target {
            Target::File { unfinished, .. } => unfinished,
            Target::Stream(stream) => stream,
        };
        let written = writer.write_all(line).and_then(|()| writer.write_all(b"\n"));
        written.map_err(|error| Error::io(&self.name, error))
    }

    /// Puts what was written in the context of what was there.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full or the file can't be replaced.
    pub(crate) fn finish(self) -> Result<()> {
        let finished = match self.target {
            Target::Stream(mut stream) => stream.flush(),
            Target::File { unfinished, path } => unfinished
                .into_inner()
                .map_err(io::IntoInnerError::into_error)
                .and_then(|unfinished| replace(&path, &unfinished)),
        };
        finished.map_err(|error| Error::io(&self.name, error))
    }
}

fn replace(path: &Path, unfinished: &Unfinished) -> io::Result<()> {
    // Whoever could read the old one can read the new one.
    if let Ok(old) = fs::metadata(path) {
        unfinished.file().set_permissions(old.permissions())?;
    }
    unfinished.file().sync_all()?;
    match fs::rename(unfinished.path(), path) {
        // A file that is a mount point of its own, as containers have them, has a fixed name.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            fs::copy(unfinished.path(), path).map(drop)
        }
        renamed => renamed,
    }
}

/// Follows symbolic links up to the file itself, there or not.
fn context(path: &Path) -> io::Result<AppendContext> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Some(name) = path.file_name() else { return Err(io::ErrorKind::IsADirectory.into()) };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize()?,
            _ => Path::new(".").canonicalize()?,
        };
        path = folder.join(name);
        if holds_open_files(&folder) {
            return Ok(AppendContext::Stream(path));
        }
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(AppendContext::File { folder, path });
            }
            found => match found?.file_type() {
                kind if kind.is_symlink() => path = folder.join(fs::read_link(&path)?),
                kind if kind.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                kind if kind.is_file() => return Ok(AppendContext::File { folder, path }),
                _ => return Ok(AppendContext::Stream(path)),
            },
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether the names in that folder stand for what a process has open, of which a file is one way
/// to reach it: `/dev/stdout` may be a file, and must not be replaced.
fn holds_open_files(folder: &Path) -> bool {
    let in_proc = folder.starts_with("/proc") && folder.ends_with("fd");
    in_proc || folder == Path::new("/dev") || folder == Path::new("/dev/fd")
}

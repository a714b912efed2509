//! The rejects file: the file that bad rows are written to.
//!
//! Its previous content is replaced once the whole input has been read. A run that fails sooner
//! leaves the file unchanged. Pipes, terminals and the like are written to while the input is
//! read.

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

/// How many symbolic links are followed before they are treated as a loop.
const LINKS_MAX: usize = 40;

/// The path of the rejects file, which is not opened yet.
#[derive(Clone, Debug)]
pub(crate) struct RejectsPath {
    /// The path as the caller wrote it.
    name: String,
    destination: Destination,
}

#[derive(Clone, Debug)]
enum Destination {
    /// A file on disk, with all symbolic links resolved. The file may not exist yet.
    File { folder: PathBuf, path: PathBuf },
    /// A stream that is written to directly, such as a pipe.
    Stream(PathBuf),
}

/// The rejects file while it is being written.
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
    /// The rejects file at `path`, with symbolic links resolved.
    ///
    /// # Errors
    /// `NotFound` when the file's folder does not exist; `Invalid` when `path` is a folder.
    pub(crate) fn try_new(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let destination = destination_of(path).map_err(|error| Error::io(&name, error))?;
        Ok(Self { name, destination })
    }

    /// Fails if the rejects file is the file with the metadata `other`. The message calls that
    /// file `what`.
    ///
    /// # Errors
    /// `Invalid` when both are the same file.
    pub(crate) fn refuse_to_be(&self, other: &Metadata, what: &str) -> Result<()> {
        // A terminal, a socket and /dev/null can be read and written at once.
        let kind = other.file_type();
        if kind.is_char_device() || kind.is_socket() {
            return Ok(());
        }
        let (Destination::File { path, .. } | Destination::Stream(path)) = &self.destination;
        let own = fs::metadata(path).ok();
        if own.is_some_and(|own| (own.dev(), own.ino()) == (other.dev(), other.ino())) {
            return Err(Error::invalid(format!(
                "{}: bad rows can't be written over {what}; give --rejects another file",
                self.name
            )));
        }
        Ok(())
    }

    /// Fails if the rejects file is below the folder `root`.
    ///
    /// # Errors
    /// `Invalid` when the rejects file is below `root`.
    pub(crate) fn refuse_below(&self, root: &Path) -> Result<()> {
        let Destination::File { folder, .. } = &self.destination else { return Ok(()) };
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

    /// Opens the rejects file for writing.
    ///
    /// # Errors
    /// `Unavailable` when the file can't be created.
    pub(crate) fn open(&self) -> Result<RejectsFile> {
        let fail = |error| Error::io(&self.name, error);
        let target = match &self.destination {
            Destination::File { folder, path } => {
                let unfinished = Unfinished::create_in(folder).map_err(fail)?;
                Target::File { unfinished: BufWriter::new(unfinished), path: path.clone() }
            }
            Destination::Stream(path) => {
                // Standard output may be a file that holds other content, too: append to it.
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

    /// Replaces the file's previous content with the rows that were written. A stream is only
    /// flushed.
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
    // The new file gets the old file's permissions, so that its readers can read the new one.
    if let Ok(old) = fs::metadata(path) {
        unfinished.file().set_permissions(old.permissions())?;
    }
    unfinished.file().sync_all()?;
    match fs::rename(unfinished.path(), path) {
        // A file can be a mount point of its own, as in containers. A rename can't replace such a
        // file, so the new content is copied into it.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            fs::copy(unfinished.path(), path).map(drop)
        }
        renamed => renamed,
    }
}

/// Follows symbolic links up to the file itself, which may not exist.
fn destination_of(path: &Path) -> io::Result<Destination> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Some(name) = path.file_name() else { return Err(io::ErrorKind::IsADirectory.into()) };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize()?,
            _ => Path::new(".").canonicalize()?,
        };
        path = folder.join(name);
        if holds_open_files(&folder) {
            return Ok(Destination::Stream(path));
        }
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Destination::File { folder, path });
            }
            found => match found?.file_type() {
                kind if kind.is_symlink() => path = folder.join(fs::read_link(&path)?),
                kind if kind.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                kind if kind.is_file() => return Ok(Destination::File { folder, path }),
                _ => return Ok(Destination::Stream(path)),
            },
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether the names in that folder stand for files that a process has open. For example,
/// `/dev/stdout` may stand for a file, which must not be replaced.
fn holds_open_files(folder: &Path) -> bool {
    let in_proc = folder.starts_with("/proc") && folder.ends_with("fd");
    in_proc || folder == Path::new("/dev") || folder == Path::new("/dev/fd")
}

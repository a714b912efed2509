//! Listing days of a local root: a folder that has not changed is not read again.
//!
//! A folder's modification time changes with every name that comes or goes, and files under our own
//! names never change. But a time is as coarse as the file system's clock: two changes can share
//! one. So a folder's names are kept only if they were read well after that time was first seen.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use object_store::{ObjectMeta, path::Path};

use super::{FileName, listing::FileInfo};
use crate::{
    base::{Day, Error, Result},
    model::{Fingerprint, LeafId},
};

/// Longer than any file system's clock stands still.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// More days than this are looked up in the folder that they are in, not one by one.
const LOOKUPS_MAX: i64 = 4_000;

/// What is known of day folders.
#[derive(Debug, Default)]
pub(super) struct LocalDays {
    seen: Mutex<HashMap<PathBuf, SeenDay>>,
}

/// A day folder, as it was at that modification time.
#[derive(Clone, Debug)]
struct SeenDay {
    modified: SystemTime,
    first_seen: Instant,
    /// Its files, if no later change can have the same time.
    settled: Option<Arc<[FileInfo]>>,
}

/// Files of some days; and the days whose folders hold other tools' files, which may change in
/// place and are listed by the store.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) files: Vec<FileInfo>,
    pub(super) foreign: Vec<Day>,
}

impl LocalDays {
    /// The files of the days `first..=last` below `root/prefix/`, by day and name.
    ///
    /// # Errors
    /// `Unavailable` when a folder can't be read.
    pub(super) fn list(
        &self,
        root: &FilePath,
        prefix: &Path,
        (first, last): (Day, Day),
    ) -> Result<Listed> {
        let parent = root.join(prefix.as_ref());
        let days = if first.days_until(last) < LOOKUPS_MAX {
            (first.epoch_days()..=last.epoch_days()).map(Day::from_epoch_days).collect()
        } else {
            days_in(&parent).map_err(|error| Error::io(parent.display(), error))?
        };
        let mut listed = Listed::default();
        for day in days.into_iter().filter(|day| (first..=last).contains(day)) {
            let folder = parent.join(format!("date={day}"));
            match self.day(&folder, prefix, day) {
                Ok(Some(files)) => listed.files.extend(files.iter().cloned()),
                Ok(None) => listed.foreign.push(day),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io(folder.display(), error)),
            }
        }
        Ok(listed)
    }

    /// The files of a day; `None` when some of them are another tool's.
    fn day(
        &self,
        folder: &FilePath,
        prefix: &Path,
        day: Day,
    ) -> io::Result<Option<Arc<[FileInfo]>>> {
        let modified = fs::metadata(folder)?.modified()?;
        let now = Instant::now();
        let known = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.get(folder).filter(|seen| seen.modified == modified).cloned()
        };
        if let Some(files) = known.as_ref().and_then(|known| known.settled.clone()) {
            return Ok(Some(files));
        }
        let files = read(folder, prefix, day)?;
        let first_seen = known.map_or(now, |known| known.first_seen);
        let settled = files.clone().filter(|_| now.duration_since(first_seen) > SETTLED_AFTER);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(folder.to_owned(), SeenDay { modified, first_seen, settled });
        Ok(files)
    }
}

fn days_in(parent: &FilePath) -> io::Result<Vec<Day>> {
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut days = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|name| name.strip_prefix("date="));
        days.extend(day.and_then(|day| day.parse::<Day>().ok()));
    }
    days.sort_unstable();
    Ok(days)
}

fn read(folder: &FilePath, prefix: &Path, day: Day) -> io::Result<Option<Arc<[FileInfo]>>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { return Ok(None) };
        let location = prefix.clone().join(format!("date={day}")).join(name.as_str());
        let Some(parsed) = FileName::parse(prefix, &location) else { continue };
        let ours =
            LeafId::parse(&parsed.stem).is_some() || Fingerprint::parse(&parsed.stem).is_some();
        if !ours {
            return Ok(None);
        }
        let metadata = match fs::metadata(entry.path()) {
            // It went while the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if metadata.is_file() {
            let last_modified = metadata.modified()?.into();
            let size = metadata.len();
            let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
            files.push((parsed, meta));
        }
    }
    files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
    Ok(Some(files.into()))
}

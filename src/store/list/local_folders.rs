//! Lists the periods of a local root. A folder that has not changed is not read again.
//!
//! A folder's modification time changes with every name that is added or deleted, and files under
//! our own names never change. But a time is as coarse as the file system's clock: two changes
//! can share one time. A folder's names are therefore cached only if they were read well after
//! the modification time. Either the machine's clock shows that, or the time since the folder was
//! first seen.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use object_store::{ObjectMeta, path::Path};

use crate::{
    base::{Day, Error, Result},
    model::{Period, PeriodLength},
    store::list::period_folder::PeriodFolder,
};

/// Longer than any file system's clock stands still.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Longer than [`SETTLED_AFTER`], and longer than a file server's clock is behind ours.
const OLD_AFTER: Duration = Duration::from_secs(10);

/// Up to this many days, each period's folder is looked up by name. For more days the parent
/// folder is read instead.
const LOOKUPS_MAX: i64 = 4_000;

/// The known folders of days or of months, by their parent folder.
#[derive(Debug)]
pub(crate) struct LocalFolders<T> {
    length: PeriodLength,
    seen: Mutex<HashMap<PathBuf, Arc<SeenFolders<T>>>>,
}

type SeenFolders<T> = HashMap<Period, SeenFolder<T>>;

/// The modification times of a period's folder and of its inner folder that counts, if there is
/// one. An inner folder can only appear together with a change of the outer folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Modified {
    folder: SystemTime,
    inner: Option<SystemTime>,
}

/// A period's folder, as it was at these modification times.
#[derive(Debug)]
struct SeenFolder<T> {
    modified: Modified,
    first_seen: Instant,
    /// The folder's files, if no later change can have the same modification time.
    settled: Option<Arc<T>>,
}

impl<T> Clone for SeenFolder<T> {
    fn clone(&self) -> Self {
        Self { settled: self.settled.clone(), ..*self }
    }
}

impl<T: PeriodFolder> LocalFolders<T> {
    /// A cache for folders of periods of this length, empty at first.
    pub(crate) fn new(length: PeriodLength) -> Self {
        Self { length, seen: Mutex::default() }
    }

    /// The files of the periods that begin among the days `first..=last`, below `root/prefix/`,
    /// sorted by period and name.
    ///
    /// # Errors
    /// `Unavailable` when a folder can't be read.
    pub(crate) fn list(
        &self,
        root: &FilePath,
        prefix: &Path,
        (first, last): (Day, Day),
    ) -> Result<Vec<Arc<T>>> {
        let parent = root.join(prefix.as_ref());
        let periods = if first.days_until(last) < LOOKUPS_MAX {
            periods(self.length, first, last)
        } else {
            periods_in(self.length, &parent).map_err(|error| Error::io(parent.display(), error))?
        };
        let seen = self.lock().get(&parent).cloned().unwrap_or_default();
        let mut news = Vec::new();
        let mut listed = Vec::with_capacity(periods.len());
        let mut folder = parent.clone();
        let is_wanted = |period: &Period| (first..=last).contains(&period.first());
        for period in periods.into_iter().filter(is_wanted) {
            let name = period.folder();
            folder.push(&name);
            match look(&folder, &prefix.clone().join(name), period, seen.get(&period), &mut news) {
                Ok(files) => listed.push(files),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(Error::io(folder.display(), error)),
            }
            folder.pop();
        }
        drop(seen);
        if !news.is_empty() {
            Arc::make_mut(self.lock().entry(parent).or_default()).extend(news);
        }
        Ok(listed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<SeenFolders<T>>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of a period's folder. If the folder is read, its new state is added to `news`.
fn look<T: PeriodFolder>(
    folder: &FilePath,
    prefix: &Path,
    period: Period,
    known: Option<&SeenFolder<T>>,
    news: &mut Vec<(Period, SeenFolder<T>)>,
) -> io::Result<Arc<T>> {
    let inner = T::INNER.filter(|_| known.is_none_or(|known| known.modified.inner.is_some()));
    let mut modified = modified_of(folder, inner)?;
    let known = known.filter(|seen| seen.modified.folder == modified.folder);
    let unchanged = known.filter(|seen| seen.modified == modified);
    if let Some(files) = unchanged.and_then(|known| known.settled.as_ref()) {
        return Ok(Arc::clone(files));
    }
    if known.is_none() && inner != T::INNER {
        // The inner folder may be new.
        modified = modified_of(folder, T::INNER)?;
    }
    let known = known.filter(|seen| seen.modified == modified);
    let now = Instant::now();
    let (files, all_ours) = read::<T>(folder, prefix, period)?;
    let files = Arc::new(files);
    let first_seen = known.map_or(now, |known| known.first_seen);
    #[expect(clippy::disallowed_methods, reason = "the file system's time is the machine's")]
    let age = SystemTime::now().duration_since(modified.latest());
    let is_old = age.is_ok_and(|age| age > OLD_AFTER);
    let is_settled = is_old || now.duration_since(first_seen) > SETTLED_AFTER;
    // Another tool may rewrite its files in place, which changes no folder's modification time.
    let settled = (is_settled && all_ours).then(|| Arc::clone(&files));
    news.push((period, SeenFolder { modified, first_seen, settled }));
    Ok(files)
}

/// The periods that begin among the days `first..=last`, in order.
fn periods(length: PeriodLength, first: Day, last: Day) -> Vec<Period> {
    let mut found = Vec::new();
    let mut next = first;
    while next <= last {
        let Some(period) = length.around(next) else { break };
        found.extend((period.first() >= first).then_some(period));
        next = period.last().plus(1);
    }
    found
}

fn periods_in(length: PeriodLength, parent: &FilePath) -> io::Result<Vec<Period>> {
    let entries = match fs::read_dir(parent) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut periods = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        periods.extend(name.to_str().and_then(|name| length.parse(name)));
    }
    periods.sort_unstable();
    Ok(periods)
}

impl Modified {
    fn latest(self) -> SystemTime {
        self.inner.map_or(self.folder, |inner| inner.max(self.folder))
    }
}

/// Reads the outer folder's time before the inner folder's. A caller that finds the outer time
/// unchanged has all data, with the manifests of that moment or newer ones.
fn modified_of(folder: &FilePath, inner: Option<&str>) -> io::Result<Modified> {
    let of_folder = fs::metadata(folder)?.modified()?;
    let inner = match inner.map(|inner| fs::metadata(folder.join(inner))) {
        Some(Err(error)) if is_absent(&error) => None,
        found => found.transpose()?.map(|inner| inner.modified()).transpose()?,
    };
    Ok(Modified { folder: of_folder, inner })
}

/// Whether nothing has the name, or a file is where a folder is expected.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A folder's files, sorted by path, and whether all of them are ours. The inner folder is read
/// last.
fn read<T: PeriodFolder>(
    folder: &FilePath,
    prefix: &Path,
    period: Period,
) -> io::Result<(T, bool)> {
    let mut files = Vec::new();
    let mut all_ours = read_names::<T>(folder, prefix, "", &mut files)?;
    if let Some(inner) = T::INNER {
        match read_names::<T>(&folder.join(inner), &prefix.clone().join(inner), inner, &mut files) {
            Err(error) if is_absent(&error) => {}
            read => all_ours &= read?,
        }
    }
    files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
    Ok((T::of(period, files), all_ours))
}

/// Adds the data files of a folder to `files`, and returns whether all of them are ours. `inner`
/// is the folder's name inside the day's folder, or empty for the day's folder. Names that aren't
/// UTF-8 are no data.
fn read_names<T: PeriodFolder>(
    folder: &FilePath,
    prefix: &Path,
    inner: &str,
    files: &mut Vec<(T::Name, ObjectMeta)>,
) -> io::Result<bool> {
    let mut all_ours = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let full = if inner.is_empty() { name.clone() } else { format!("{inner}/{name}") };
        let Some(parsed) = T::parse(&full) else { continue };
        let metadata = match fs::metadata(entry.path()) {
            // The file was deleted while the folder was read, or is a link to nothing.
            Err(error) if is_absent(&error) => continue,
            metadata => metadata?,
        };
        if metadata.is_file() {
            all_ours &= T::is_ours(&parsed);
            let last_modified = metadata.modified()?.into();
            // `Path::parse` takes the name as it is. `join` would encode characters that a store
            // has unencoded in names.
            let Ok(location) = Path::parse(format!("{prefix}/{name}")) else { continue };
            let size = metadata.len();
            let e_tag = (!T::is_ours(&parsed)).then(|| version_of(&metadata)).transpose()?;
            let meta = ObjectMeta { location, last_modified, size, e_tag, version: None };
            files.push((parsed, meta));
        }
    }
    Ok(all_ours)
}

/// A version that changes when a file is rewritten: the inode, and the modification time in
/// nanoseconds.
fn version_of(metadata: &fs::Metadata) -> io::Result<String> {
    let modified = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    Ok(format!("{inode:x}-{:x}", modified.as_nanos()))
}

/// The files of a local root's `folder` whose paths satisfy `is_ours`, in no order. Other names,
/// and names that aren't UTF-8, are skipped one by one. A missing folder has no files.
pub(crate) fn flat_files(
    root: &FilePath,
    folder: &str,
    is_ours: impl Fn(&Path) -> bool,
) -> Result<Vec<ObjectMeta>> {
    let dir = root.join(folder);
    let fail = |error| Error::io(dir.display(), error);
    let entries = match fs::read_dir(&dir) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().into_string().ok();
        let path = name.and_then(|name| Path::parse(format!("{folder}/{name}")).ok());
        let Some(location) = path.filter(&is_ours) else { continue };
        let metadata = entry.metadata().map_err(fail)?;
        let last_modified = metadata.modified().map_err(fail)?.into();
        let size = metadata.len();
        files.push(ObjectMeta { location, last_modified, size, e_tag: None, version: None });
    }
    Ok(files)
}

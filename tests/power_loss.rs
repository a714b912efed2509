//! Loss of power at any moment of a root's life. Changes that weren't synced are lost, or half
//! there, or there while older ones aren't. Everything that was acknowledged must be there, and
//! the command that was interrupted can be run again.
//!
//! The program runs with a preloaded library that records each change of a name and each sync, in
//! order. From this trace the test makes disks as a crash could have left them.
//! `TALLYBOOK_POWER_LOSSES` is the number of disks. `TALLYBOOK_TEST_SEED` seeds what is lost.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{
    CompactOptions, Day, GcOptions, Outcome, PurgeOptions, RollupOptions, Route, SampleLog, Span,
    SystemClock, Tallybook,
};

use crate::support::{
    Sandbox, append, csv,
    many::{OnPanic, number, on_all_cores, runtime},
    run,
};

const LOG: SampleLog = SampleLog { seed: 21, organizations: 3, rows_per_hour: 2 };
const REPORT: &str = "SELECT CAST(date AS TEXT) AS d, organization_id, count(*) AS n, sum(cost) AS c \
                      FROM ai_usage_log GROUP BY 1, 2";

/// A command of the program.
enum Deed {
    Append(&'static str, String),
    Rollup,
    Compact,
    Purge,
    Erase,
    Gc,
}

impl Deed {
    fn arguments(&self, sandbox: &Sandbox) -> Vec<String> {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        match self {
            Self::Append(batch, lines) => {
                let file = sandbox.write(batch, lines);
                words(&format!("append {} --batch {batch} --format ndjson", file.display()))
            }
            Self::Rollup => words("rollup --no-compact"),
            Self::Compact => words("compact"),
            Self::Purge => words("purge --older-than 2d"),
            Self::Erase => words("erase --organization org-001"),
            Self::Gc => words("gc --grace 0s"),
        }
    }

    /// Runs the command in this process, again or for the first time.
    async fn run(&self, db: &Tallybook) {
        match self {
            Self::Append(batch, lines) => drop(append(db, batch, lines).await),
            Self::Rollup => {
                let all = RollupOptions::default();
                let done = db.rollup(&all, |report| {
                    // After rows were erased from a purged day, some rollups have no source for
                    // the day.
                    let fine = matches!(report.outcome, Outcome::Built { .. } | Outcome::NoSource);
                    assert!(fine, "{report:?}");
                });
                done.await.unwrap().into_result().unwrap();
            }
            Self::Compact => {
                let all = CompactOptions::default();
                let done = db.compact(&all, |report| {
                    assert!(matches!(report.outcome, Outcome::Compacted { .. }), "{report:?}");
                });
                done.await.unwrap().into_result().unwrap();
            }
            Self::Purge => {
                let old = PurgeOptions { older_than_days: 2, ..PurgeOptions::default() };
                let done = db.purge(&old, |report| {
                    assert!(matches!(report.outcome, Outcome::Purged(_)), "{report:?}");
                });
                done.await.unwrap().into_result().unwrap();
            }
            Self::Erase => {
                let columns = [("organization_id".to_owned(), "org-001".to_owned())];
                let done = db.erase(&columns, false, |_| {});
                Box::pin(done).await.unwrap().into_result().unwrap();
            }
            Self::Gc => {
                let options = GcOptions {
                    grace: std::time::Duration::ZERO,
                    abandoned: std::time::Duration::ZERO,
                    dry_run: false,
                };
                db.gc(&options, |_| {}).await.unwrap();
            }
        }
    }

    /// Whether answers stay the same before, during and after the command.
    const fn changes_nothing(&self) -> bool {
        !matches!(self, Self::Append(..) | Self::Erase)
    }
}

fn life(today: Day) -> Vec<Deed> {
    let days = |hour: u8, first: i32, last: i32| -> String {
        (first..=last).map(|back| LOG.hour(today.plus(back), hour)).collect()
    };
    vec![
        Deed::Append("one", days(3, -3, -1)),
        Deed::Append("two", days(9, -3, -1)),
        Deed::Rollup,
        Deed::Append("late", days(13, -3, -2)),
        Deed::Rollup,
        Deed::Compact,
        Deed::Gc,
        Deed::Purge,
        Deed::Gc,
        Deed::Append("later", days(14, -3, -2)),
        Deed::Rollup,
        Deed::Purge,
        Deed::Erase,
        Deed::Gc,
    ]
}

/// A line of the trace. The number of the line that created a file identifies the file.
#[derive(Debug)]
enum Change {
    Mkdir(PathBuf),
    /// A new file: its name and inode.
    Create(PathBuf, u64),
    /// One more name of a file.
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    /// A sync began. Nothing needs to be on the disk yet.
    Syncing,
    /// This many of the file's first bytes are on the disk.
    SyncedFile(usize, u64),
    /// The names in the folder are on the disk, as they were before that line.
    SyncedFolder(PathBuf, usize),
}

impl Change {
    /// The name that this line changes, if any.
    const fn name(&self) -> Option<&PathBuf> {
        match self {
            Self::Mkdir(path)
            | Self::Create(path, _)
            | Self::Link(path, _)
            | Self::Rename(path, _)
            | Self::Unlink(path) => Some(path),
            Self::Syncing | Self::SyncedFile(..) | Self::SyncedFolder(..) => None,
        }
    }
}

fn parse(trace: &str) -> Vec<Change> {
    let mut began: HashMap<&str, usize> = HashMap::new();
    // The inode of a deleted file is used again, also for folders.
    let mut files: HashMap<u64, usize> = HashMap::new();
    let mut changes = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let words: Vec<_> = line.split('\t').collect();
        let [operation, thread, inode, size, path, before] = words[..] else { panic!("{line}") };
        let (path, inode) = (PathBuf::from(path), inode.parse().unwrap());
        changes.push(match operation {
            "mkdir" => {
                files.remove(&inode);
                Change::Mkdir(path)
            }
            "create" => {
                files.insert(inode, at);
                Change::Create(path, inode)
            }
            "link" => Change::Link(path, files[&inode]),
            "rename" => Change::Rename(path, before.into()),
            "unlink" => Change::Unlink(path),
            "sync" => {
                began.insert(thread, at);
                Change::Syncing
            }
            "synced" => match files.get(&inode) {
                Some(file) => Change::SyncedFile(*file, size.parse().unwrap()),
                None => Change::SyncedFolder(path, began[thread]),
            },
            other => panic!("{other}"),
        });
    }
    changes
}

/// The fate of changes that weren't synced.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Names and bytes are lost.
    All,
    /// Names are there, and bytes are lost.
    Bytes,
    /// Names are there, as after the kill of a process. Unsynced bytes of files are random.
    None,
    /// Each change is lost or not by chance.
    Some,
}

const LOSSES: [Loss; 4] = [Loss::All, Loss::Bytes, Loss::None, Loss::Some];

/// The recorded life of a root.
struct Record {
    sandbox: Sandbox,
    vault: PathBuf,
    changes: Vec<Change>,
    /// For each deed, the number of changes up to its end, and the answer then.
    deeds: Vec<(usize, String)>,
}

fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/disk_trace.c");
    let library = folder.join("disk_trace.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(built.success(), "the compiler that Rust links with can't build {}", source.display());
    library
}

fn record(life: &[Deed]) -> Record {
    let sandbox = Sandbox::new();
    let above = sandbox.root().parent().unwrap().to_owned();
    let (vault, trace) = (above.join("vault"), above.join("trace"));
    fs::create_dir(&vault).unwrap();
    let library = library(&above);
    let mut deeds = Vec::new();
    for deed in life {
        let mut command = sandbox.command(&deed.arguments(&sandbox));
        command.env("LD_PRELOAD", &library).env("DISK_TRACE", &trace).env("DISK_VAULT", &vault);
        run(command, b"").ok();
        let done = fs::read_to_string(&trace).unwrap().lines().count();
        let answer = sandbox.run(&["query", REPORT, "--format", "csv"]).ok().out;
        deeds.push((done, answer));
    }
    let changes = parse(&fs::read_to_string(&trace).unwrap());
    Record { sandbox, vault, changes, deeds }
}

/// The folder or file of a name.
#[derive(Clone, Copy)]
enum Entry {
    Folder,
    /// The file that this change created.
    File(usize),
}

/// The names and bytes that no loss of power can delete.
struct Durable<'c> {
    /// For each synced folder: the first change of a name that the sync doesn't cover.
    folders: HashMap<&'c Path, usize>,
    /// For each file, by the change that created it: the inode, and the number of synced bytes.
    files: HashMap<usize, (u64, u64)>,
}

impl<'c> Durable<'c> {
    fn of(changes: &'c [Change]) -> Self {
        let (mut folders, mut files) = (HashMap::new(), HashMap::new());
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Create(_, inode) => _ = files.insert(index, (*inode, 0)),
                Change::SyncedFile(file, size) => files.get_mut(file).unwrap().1 = *size,
                Change::SyncedFolder(path, began) => _ = folders.insert(path.as_path(), *began),
                _ => {}
            }
        }
        Self { folders, files }
    }

    /// Whether that change of a name in the folder is on the disk for sure.
    fn has_name(&self, folder: &Path, change: usize) -> bool {
        self.folders.get(folder).is_some_and(|began| change < *began)
    }
}

impl Record {
    /// Makes a root in `target` as a crash after `at` changes could leave it.
    fn crash(&self, target: &Path, at: usize, loss: Loss, random: &mut ChaCha8Rng) {
        let changes = &self.changes[..at];
        let durable = Durable::of(changes);
        for (path, entry) in self.names(changes, &durable, loss, random) {
            let copy = target.join(path.strip_prefix(self.sandbox.root()).unwrap());
            let Entry::File(file) = entry else {
                fs::create_dir_all(&copy).unwrap();
                continue;
            };
            let (inode, synced) = durable.files[&file];
            let kept = self.vault.join(inode.to_string());
            match fs::metadata(&kept) {
                Ok(metadata) if metadata.len() == synced => fs::hard_link(&kept, &copy).unwrap(),
                _ => {
                    let mut bytes = fs::read(&kept).unwrap_or_default();
                    bytes.truncate(usize::try_from(synced).unwrap());
                    let lost = match loss {
                        Loss::All | Loss::Bytes => 0,
                        Loss::None => 100,
                        Loss::Some => random.random_range(0..100),
                    };
                    bytes.extend((0..lost).map(|_| random.random::<u8>()));
                    fs::write(&copy, bytes).unwrap();
                }
            }
        }
    }

    /// The names that are there after the crash.
    fn names(
        &self,
        changes: &[Change],
        durable: &Durable<'_>,
        loss: Loss,
        random: &mut ChaCha8Rng,
    ) -> BTreeMap<PathBuf, Entry> {
        let root = self.sandbox.root();
        let mut names: BTreeMap<PathBuf, Entry> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            let Some(path) = change.name() else { continue };
            let folder = path.parent().unwrap();
            let happened = durable.has_name(folder, index)
                || match loss {
                    Loss::All => false,
                    Loss::Bytes | Loss::None => true,
                    Loss::Some => random.random_bool(0.5),
                };
            let there = *path == root || matches!(names.get(folder), Some(Entry::Folder));
            if !(happened && there && path.starts_with(&root)) {
                continue;
            }
            match change {
                Change::Mkdir(_) => _ = names.insert(path.clone(), Entry::Folder),
                Change::Create(..) => _ = names.insert(path.clone(), Entry::File(index)),
                Change::Link(_, file) => _ = names.insert(path.clone(), Entry::File(*file)),
                Change::Rename(_, before) => {
                    if let Some(entry) = names.remove(before) {
                        names.insert(path.clone(), entry);
                    }
                }
                // Deleting a folder deletes its content.
                Change::Unlink(_) => names.retain(|name, _| !name.starts_with(path)),
                Change::Syncing | Change::SyncedFile(..) | Change::SyncedFolder(..) => {}
            }
        }
        names
    }

    /// Checks the root after a crash at change `at`: it has everything that was acknowledged, and
    /// the interrupted command can be run again.
    async fn check(&self, life: &[Deed], at: usize, loss: Loss, seed: u64) {
        let folder = tempfile::tempdir_in(self.sandbox.root().parent().unwrap()).unwrap();
        let root = folder.path().join("root");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        fs::create_dir(&root).unwrap();
        self.crash(&root, at, loss, &mut random);
        let location = root.to_str().unwrap();
        let done = self.deeds.iter().filter(|(end, _)| *end <= at).count();
        let clock = std::sync::Arc::new(SystemClock);
        let settings = tallybook::Settings::default();
        let db = match done {
            // Before the first command is done, there may be no root.
            0 => Tallybook::builder(location).settings(settings).clock(clock).create().await,
            _ => Tallybook::builder(location).settings(settings).clock(clock).open().await,
        };
        let db = db.unwrap();
        let before = done.checked_sub(1).map(|last| self.deeds[last].1.as_str());
        let Some(deed) = life.get(done) else {
            assert_eq!(Some(csv(&db, REPORT, Route::Auto).await.0.as_str()), before);
            return;
        };
        let after = self.deeds[done].1.as_str();
        let found = csv(&db, REPORT, Route::Auto).await.0;
        if deed.changes_nothing() {
            assert_eq!(found, after);
        } else {
            // Each row of the answer is as before or as after the command.
            let before = before.unwrap_or("d,organization_id,n,c\n");
            let known: HashSet<_> = before.lines().chain(after.lines()).collect();
            let both = before.lines().filter(|line| after.contains(line));
            assert!(found.lines().all(|line| known.contains(line)), "{found}\n{before}\n{after}");
            let missing: Vec<_> = both.filter(|line| !found.contains(line)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
        deed.run(&db).await;
        assert_eq!(csv(&db, REPORT, Route::Auto).await.0, after, "after it was done again");
        if seed.is_multiple_of(4) {
            Deed::Rollup.run(&db).await;
            let (again, mut built) = (RollupOptions::default(), 0);
            let built_one =
                |outcome: &Outcome| usize::from(matches!(outcome, Outcome::Built { .. }));
            let done = db.rollup(&again, |report| built += built_one(&report.outcome));
            done.await.unwrap().into_result().unwrap();
            assert_eq!(built, 0, "the second run builds nothing");
            assert_eq!(csv(&db, REPORT, Route::Auto).await.0, after, "from new rollups");
            assert_eq!(db.verify(Span::ALL, |_| {}).await.unwrap(), None);
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: what_was_acknowledged_survives_a_loss_of_power: it needs Linux");
        return;
    }
    let wanted = number("TALLYBOOK_POWER_LOSSES").unwrap_or(500) as usize;
    let seed = number("TALLYBOOK_TEST_SEED").unwrap_or(1);
    let life = life(tallybook::Clock::today(&SystemClock));
    let record = record(&life);
    let all = (record.changes.len() + 1) * LOSSES.len();
    let states: Vec<_> = (0..wanted).map(|nth| nth * all / wanted).collect();
    let next = AtomicUsize::new(0);
    on_all_cores(1, || {
        let runtime = runtime();
        while let Some(nth) = states.get(next.fetch_add(1, Relaxed)) {
            let (at, loss) = (nth / LOSSES.len(), LOSSES[nth % LOSSES.len()]);
            let case = format!("after {at} of {} changes, {loss:?}", record.changes.len());
            let told = OnPanic::say(format!(
                "power failed {case} ({:?} would be next); TALLYBOOK_TEST_SEED={seed}",
                record.changes.get(at)
            ));
            let seed = seed.wrapping_mul(1_000_003) + *nth as u64;
            runtime.block_on(Box::pin(record.check(&life, at, loss, seed)));
            told.silence();
        }
    });
    eprintln!("{} disks after a loss of power, of {} changes", states.len(), record.changes.len());
}

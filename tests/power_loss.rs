//! Power that fails at any moment of a root's life: what wasn't synced is lost, or half there, or there
//! while older things aren't. What was acknowledged is there, and what was under way can be done again.
//!
//! The program runs with a library loaded before it that tells each change of a name, and each
//! sync, in order; disks as a crash could have left them are made of these. `TALLYBOOK_POWER_LOSSES`
//! is how many, `TALLYBOOK_TEST_SEED` which.

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
    CompactOptions, Day, GcOptions, JobOptions, Outcome, PurgeOptions, Route, SampleLog, Span,
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

/// Something that the program was asked for.
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

    /// Does it again, or for the first time.
    async fn run(&self, db: &Tallybook) {
        match self {
            Self::Append(batch, lines) => drop(append(db, batch, lines).await),
            Self::Rollup => {
                let all = JobOptions::default();
                let done = db.rollup(&all, |report| {
                    // Rows that were erased from a purged day leave rollups without a source.
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
                let old = PurgeOptions { older_than_days: 2, dry_run: false };
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

    /// Whether answers are the same before, meanwhile, and after.
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

/// What a line of the trace says. A file is called by the number of the line that made it.
#[derive(Debug)]
enum Change {
    Mkdir(PathBuf),
    /// A new file of that inode by that name.
    Create(PathBuf, u64),
    /// Another name of that file.
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    /// Something is being brought to the disk, and may not be there yet.
    Syncing,
    /// So many of that file's first bytes are on the disk.
    SyncedFile(usize, u64),
    /// The folder's names are on the disk, as they were before that line.
    SyncedFolder(PathBuf, usize),
}

impl Change {
    /// The name that changes, if it is that.
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
    // Inodes are used again when a file is gone, also by folders.
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

/// What becomes of that which wasn't synced.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Names and bytes are gone.
    All,
    /// Names are there, bytes aren't.
    Bytes,
    /// Nothing is lost, as when a process is killed; but for bytes of files that nobody synced.
    None,
    /// Each by chance.
    Some,
}

const LOSSES: [Loss; 4] = [Loss::All, Loss::Bytes, Loss::None, Loss::Some];

/// A life that was recorded.
struct Record {
    sandbox: Sandbox,
    vault: PathBuf,
    changes: Vec<Change>,
    /// For each deed, the first change after it, and the answer then.
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

/// What a name stands for.
#[derive(Clone, Copy)]
enum Entry {
    Folder,
    /// The file that was made by that change.
    File(usize),
}

/// What no loss of power takes away.
struct Durable<'c> {
    /// Of each folder that was synced, the change from which on its names aren't.
    folders: HashMap<&'c Path, usize>,
    /// Of each file, by the change that made it, the inode, and how many bytes were synced.
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

    /// Whether that change of a name in the folder is on the disk.
    fn has_name(&self, folder: &Path, change: usize) -> bool {
        self.folders.get(folder).is_some_and(|began| change < *began)
    }
}

impl Record {
    /// Makes the root in `target` what it can be after so many changes.
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

    /// The names that are there, of those that could be.
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
                // A folder goes with what is in it.
                Change::Unlink(_) => names.retain(|name, _| !name.starts_with(path)),
                Change::Syncing | Change::SyncedFile(..) | Change::SyncedFolder(..) => {}
            }
        }
        names
    }

    /// What a crash after so many changes leaves is what was acknowledged, and can be gone on with.
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
            // Not even a root need be there.
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
            // Day by day it is as before or as after.
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
            let (again, mut built) = (JobOptions::default(), 0);
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

//! Damage: files rot, are cut, exchanged or deleted, one at a time or a folder at a time. `verify`
//! finds each loss, and each damage of a file that nothing can replace. Every answer is right or an
//! error. A damaged day doesn't stop the other days. After the next job, no damaged rollup is left.
//!
//! `TALLYBOOK_FLIPS` is the number of files to damage, one at a time. `TALLYBOOK_TEST_SEED` chooses
//! them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{
    CompactOptions, Error, FixedClock, JobSummary, Outcome, Period, PurgeOptions, Query,
    RollupOptions, Route, Settings, Span, Tallybook,
};

use crate::support::{
    SMALL_LOG, Sandbox, append, csv, day, db_with,
    life::AT_ONCE,
    many::{OnPanic, number, on_all_cores, runtime},
    rollup, try_answer,
};

/// A day long after the files are written, so that months are quiet.
const TODAY: &str = "2100-01-12";
const REPORT: &str =
    "SELECT CAST(date AS TEXT) AS d, who, sum(v) AS v, count(*) AS n FROM log GROUP BY 1, 2";

/// A root with every kind of file and day, and its right answer.
struct Whole {
    sandbox: Sandbox,
    expected: String,
    /// The leaves that are in no rollup. When such a leaf is gone, there is no trace of it.
    unknown: BTreeSet<PathBuf>,
}

fn lines(days: &[&str], hour: u8) -> String {
    let of_day = |day: &&str| {
        let day = (*day).to_owned();
        (0..60).map(move |minute| {
            let who = char::from(b'a' + minute % 7);
            format!(
                "{{\"at\":\"{day}T{hour:02}:{minute:02}:00Z\",\"who\":\"{who}\",\"v\":{minute}}}\n"
            )
        })
    };
    days.iter().flat_map(of_day).collect()
}

fn redefined() -> String {
    let more = SMALL_LOG.replace("\"count(*) as n\"", "\"count(*) as n\", \"max(v) as m\"");
    assert_ne!(more, SMALL_LOG);
    more
}

async fn open(location: &str) -> Result<Tallybook, Error> {
    let clock = Arc::new(FixedClock::noon_of(day(TODAY)));
    Tallybook::builder(location).settings(Settings::default()).clock(clock).open().await
}

impl Whole {
    /// Makes a root with these parts: a month in one segment; a purged day; a merged day, and
    /// merged days with a late leaf beside; a day of two leaves; a day whose segment lacks a leaf;
    /// and segments of a previous definition.
    async fn new() -> Self {
        let sandbox = Sandbox::new();
        let location = sandbox.root().to_str().unwrap().to_owned();
        let db = db_with(&location, SMALL_LOG, TODAY, Settings::default()).await;
        let [one, two, three] = ["2099-12-30", "2099-12-31", "2100-01-01"];
        let [four, five, six] = ["2100-01-02", "2100-01-03", "2100-01-04"];
        append(&db, "one", &lines(&[one, two, three, four], 3)).await;
        append(&db, "two", &lines(&[one, two, three, four], 5)).await;
        rollup(&db).await;
        db.compact(&CompactOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
        let old = PurgeOptions { older_than_days: 12, ..PurgeOptions::default() };
        db.purge(&old, |_| {}).await.unwrap().into_result().unwrap();
        append(&db, "month", &lines(&["2099-11-03", "2099-11-05"], 6)).await;
        append(&db, "three", &lines(&[five, six], 7)).await;
        append(&db, "four", &lines(&[five], 9)).await;
        rollup(&db).await;
        let mut months = 0;
        let all = RollupOptions::default();
        let done = db.rollup(&all, |report| {
            months += usize::from(matches!(report.period, Period::Month(_)));
        });
        done.await.unwrap().into_result().unwrap();
        assert!(months > 0);
        db.gc(&AT_ONCE, |_| {}).await.unwrap();
        let before: BTreeSet<_> = sandbox.files("raw").into_iter().collect();
        append(&db, "late", &lines(&[two, four, six], 11)).await;
        let unknown = sandbox.files("raw").into_iter().filter(|file| !before.contains(file));
        let unknown = unknown.map(|file| file.strip_prefix(sandbox.root()).unwrap().to_owned());
        let unknown = unknown.collect();
        let clock = Arc::new(FixedClock::noon_of(day(TODAY)));
        let db = Tallybook::builder(&location).definition(redefined(), "redefined.toml");
        let db = db.clock(clock).replace_definition().await.unwrap();
        // One day has both definitions' segments.
        let of_five = RollupOptions {
            from: Some(day(five)),
            to: Some(day(five)),
            ..RollupOptions::default()
        };
        db.rollup(&of_five, |_| {}).await.unwrap().into_result().unwrap();
        assert_eq!(db.verify(Span::ALL, |_| {}).await.unwrap(), None);
        let expected = csv(&db, REPORT, Route::Auto).await.0;
        assert_eq!(expected.lines().count(), 1 + 8 * 7);
        Self { sandbox, expected, unknown }
    }

    fn copy_to(&self, target: &Path) {
        for file in self.sandbox.files("") {
            let copy = target.join(file.strip_prefix(self.sandbox.root()).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(file, copy).unwrap();
        }
    }

    /// The paths of all of the program's own files, below the root.
    fn files(&self) -> Vec<PathBuf> {
        let files = ["raw", "rollups", "batches", "definitions"].map(|it| self.sandbox.files(it));
        let files = files.into_iter().flatten();
        files.map(|file| file.strip_prefix(self.sandbox.root()).unwrap().to_owned()).collect()
    }
}

/// A damage to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Exchange,
    Delete,
    Duplicate,
}

impl Damage {
    fn any(random: &mut ChaCha8Rng, bytes: usize) -> Self {
        match random.random_range(0..20) {
            0..=12 if bytes > 0 => {
                // Half of the flips hit the last bytes: the footer there decides how all other
                // bytes are read.
                let tail = bytes.saturating_sub(1500);
                let from = if random.random_bool(0.5) { tail } else { 0 };
                Self::Flip(random.random_range(from..bytes), 1 << random.random_range(0..8))
            }
            13..=15 if bytes > 0 => Self::Cut(random.random_range(0..bytes)),
            16 | 17 => Self::Exchange,
            18 => Self::Duplicate,
            _ => Self::Delete,
        }
    }

    /// Damages a file of the copy at `root`. `false` when that changes nothing.
    fn apply(self, root: &Path, file: &Path, all: &[PathBuf], random: &mut ChaCha8Rng) -> bool {
        let (file, content) = (root.join(file), fs::read(root.join(file)).unwrap());
        match self {
            Self::Flip(at, bit) => {
                let mut flipped = content;
                flipped[at] ^= bit;
                fs::write(file, flipped).unwrap();
            }
            Self::Cut(length) => fs::write(file, &content[..length]).unwrap(),
            Self::Exchange => {
                let other = fs::read(root.join(all.choose(random).unwrap())).unwrap();
                if other == content {
                    return false;
                }
                fs::write(file, other).unwrap();
            }
            Self::Delete => fs::remove_file(file).unwrap(),
            Self::Duplicate => {
                if !is_below("raw", &file) || file.extension().is_none_or(|end| end != "parquet") {
                    // Elsewhere, nothing reads a file of that name.
                    return false;
                }
                fs::copy(&file, file.with_file_name("copy.parquet")).unwrap();
            }
        }
        true
    }
}

fn is_below(folder: &str, file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == folder)
}

/// The day in a path.
fn day_of(file: &Path) -> Option<&str> {
    let mut parts = file.components().filter_map(|part| part.as_os_str().to_str());
    parts.find_map(|part| part.strip_prefix("date="))
}

/// A damaged copy of a root, and the consequences that are allowed.
struct Case<'a> {
    whole: &'a Whole,
    what: String,
    /// Whether only files below `rollups/` were damaged.
    is_hint: bool,
    /// Whether `verify` may miss the damage, because nothing refers to the file or needs its
    /// content.
    is_unseen: bool,
    /// The day whose rows may be fewer or more: another tool's file arrived, or a leaf was lost
    /// without a trace.
    is_changed: Option<String>,
}

impl Case<'_> {
    /// Checks the damaged copy: before the jobs, after all jobs, and in a new process.
    async fn judge(&self, root: &Path) {
        let Case { what, .. } = self;
        let location = root.to_str().unwrap();
        let Ok(db) = open(location).await else {
            // Without a readable definition, a root can't be opened.
            assert!(what.contains("definitions"), "{what}: it can't be opened");
            return;
        };
        let verdict = db.verify(Span::ALL, |_| {}).await;
        assert!(self.is_unseen || !matches!(verdict, Ok(None)), "{what} was not found");
        self.ask(&db, "at first").await;
        let failed = self.work(&db).await;
        assert!(failed.is_none() || !self.is_hint, "{what}: {failed:?}");
        self.ask(&db, "after all jobs").await;
        if self.is_hint {
            let again = db.verify(Span::ALL, |_| {}).await;
            assert!(matches!(again, Ok(None)), "{what} is still there: {again:?}");
        }
        drop(db);
        self.ask(&open(location).await.unwrap(), "by a new process").await;
    }

    /// Runs every job. Gives the first error.
    async fn work(&self, db: &Tallybook) -> Option<Error> {
        let mut first = None;
        let mut note = |done: Result<(), Error>| {
            if let Err(error) = done {
                first.get_or_insert(error);
            }
        };
        let mut failed = Vec::new();
        let all = RollupOptions::default();
        let done = db.rollup(&all, |report| {
            if let (Some(_), Outcome::Failed(error)) = (&report.subject, &report.outcome) {
                failed.push(error.to_string());
            }
        });
        note(done.await.and_then(JobSummary::into_result).map(drop));
        assert!(failed.is_empty() || !self.is_hint, "{}: {failed:?}", self.what);
        let done = db.compact(&CompactOptions::default(), |_| {}).await;
        note(done.and_then(JobSummary::into_result).map(drop));
        note(db.gc(&AT_ONCE, |_| {}).await);
        first
    }

    /// Queries all days at once, and each day by each route. Each answer must be right or an error.
    async fn ask(&self, db: &Tallybook, when: &str) {
        let expected = &self.whole.expected;
        let of = |text: &str, day: &str| {
            let lines = text.lines().filter(|line| line.starts_with(day));
            lines.map(|line| line.to_owned() + "\n").collect::<String>()
        };
        let days: BTreeSet<_> = expected.lines().skip(1).map(|line| &line[..10]).collect();
        let all = try_answer(db, &Query::sql(REPORT)).await;
        // Remains of purged days from a previous definition serve only while that definition is
        // readable.
        let by_definition = self.what.contains("definitions");
        let may_fail = !self.is_hint;
        assert!(all.is_ok() || may_fail, "{}, {when}: {}", self.what, all.unwrap_err());
        for day in days {
            let of_day = of(expected, day);
            let is_changed = self.is_changed.as_deref() == Some(day);
            if let Ok((all, _)) = &all {
                assert!(of(all, day) == of_day || is_changed, "{}, {when}: {all}", self.what);
            }
            let sql = REPORT.replace("GROUP", &format!("WHERE date = '{day}' GROUP"));
            for route in [Route::Auto, Route::Raw, Route::Rollup] {
                if let Ok((found, _)) = try_answer(db, &Query::sql(&sql).by_route(route)).await {
                    let is_right = of(&found, day) == of_day || is_changed;
                    assert!(is_right, "{}, {when}, {route}, {day}: {found}", self.what);
                } else {
                    let is_mine = self.what.contains(day) || by_definition;
                    let can_be = is_mine && may_fail || route != Route::Auto;
                    assert!(can_be, "{}, {when}: {day} has no answer", self.what);
                }
            }
        }
    }
}

async fn check(whole: &Whole, seed: u64) -> bool {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    whole.copy_to(&root);
    let all = whole.files();
    let file = all.choose(&mut random).unwrap();
    let damage = Damage::any(&mut random, fs::read(root.join(file)).unwrap().len());
    if !damage.apply(&root, file, &all, &mut random) {
        return false;
    }
    let is_hint = is_below("rollups", file);
    let is_lost_unseen = damage == Damage::Delete && whole.unknown.contains(file);
    let is_changed = is_lost_unseen;
    // Tags and intents say everything by their names, so their bytes don't matter. A claim that is
    // gone is made again.
    let says_nothing = file.extension().is_some_and(|end| end == "tag" || end == "intent")
        || damage == Damage::Delete && !is_below("raw", file);
    let case = Case {
        whole,
        what: format!("{damage:?} of {}", file.display()),
        is_hint,
        is_unseen: is_hint || is_lost_unseen || says_nothing || damage == Damage::Duplicate,
        is_changed: day_of(file).filter(|_| is_changed).map(str::to_owned),
    };
    case.judge(&root).await;
    true
}

#[test]
fn damage_is_found_and_never_a_wrong_number() {
    let wanted = number("TALLYBOOK_FLIPS").unwrap_or(100);
    let first = number("TALLYBOOK_TEST_SEED").unwrap_or(1);
    let whole = runtime().block_on(Box::pin(Whole::new()));
    let (next, damaged) = (AtomicU64::new(first), AtomicU64::new(0));
    on_all_cores(1, || {
        let runtime = runtime();
        while damaged.load(Relaxed) < wanted {
            let seed = next.fetch_add(1, Relaxed);
            let repeat =
                OnPanic::say(format!("TALLYBOOK_TEST_SEED={seed} TALLYBOOK_FLIPS=1 repeats it"));
            let was = runtime.block_on(Box::pin(check(&whole, seed)));
            repeat.silence();
            damaged.fetch_add(u64::from(was), Relaxed);
        }
    });
    eprintln!("{} damaged files, one at a time", damaged.into_inner());
}

#[tokio::test]
async fn a_folder_that_is_lost_is_found_or_needs_nothing() {
    let whole = Whole::new().await;
    let files = whole.files();
    let folders = files.iter().flat_map(|file| file.ancestors().skip(1));
    let folders: BTreeSet<_> = folders.filter(|folder| *folder != Path::new("")).collect();
    assert!(folders.len() > 20, "{folders:?}");
    for folder in folders {
        let copy = tempfile::tempdir().unwrap();
        let root = copy.path().join("root");
        whole.copy_to(&root);
        fs::remove_dir_all(root.join(folder)).unwrap();
        if folder == Path::new("definitions") || folder == Path::new("raw") {
            // Without definitions or raw rows there is nothing to check.
            continue;
        }
        let (is_hint, of_raw) = (is_below("rollups", folder), is_below("raw", folder));
        let whole_day = of_raw && !is_below("_m", folder);
        let case = Case {
            whole: &whole,
            what: format!("loss of {}", folder.display()),
            is_hint,
            is_unseen: !of_raw && folder != Path::new("batches"),
            is_changed: day_of(folder).filter(|_| whole_day).map(str::to_owned),
        };
        Box::pin(case.judge(&root)).await;
    }
}

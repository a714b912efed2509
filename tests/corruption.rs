//! Files that rot: `verify` finds every flipped bit, every cut and every exchange; answers are right or
//! an error, and nothing panics.
//!
//! `TALLYBOOK_FLIPS` is how many files are damaged, one at a time; `TALLYBOOK_TEST_SEED` which.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{
    CompactOptions, FixedClock, JobOptions, PurgeOptions, Question, Route, Settings, Span,
    Tallybook,
};

use crate::support::{
    SMALL_LOG, Sandbox, append, book_with, csv, day,
    many::{OnPanic, number, on_all_cores, runtime},
    rollup, try_answer,
};

const TODAY: &str = "2026-01-12";
const REPORT: &str =
    "SELECT CAST(date AS TEXT) AS d, who, sum(v) AS v, count(*) AS n FROM log GROUP BY 1, 2";

/// The answer, and the leaves that no segment knows of. A day that was purged, one that was compacted, with a leaf behind it, one of two leaves, and one
/// whose segment lacks a leaf.
async fn root(sandbox: &Sandbox) -> (String, Vec<PathBuf>) {
    let location = sandbox.root().to_str().unwrap().to_owned();
    let book = book_with(&location, SMALL_LOG, TODAY, Settings::default()).await;
    let lines = |days: &[u8], hour: u8| {
        let line = |day: u8| {
            (0..60).map(move |minute| {
                let who = char::from(b'a' + minute % 7);
                format!(
                    "{{\"at\":\"2026-01-0{day}T{hour:02}:{minute:02}:00Z\",\"who\":\"{who}\",\"v\":{minute}}}\n"
                )
            })
        };
        days.iter().copied().flat_map(line).collect::<String>()
    };
    append(&book, "one", &lines(&[1, 2], 3)).await;
    append(&book, "two", &lines(&[1, 2], 5)).await;
    rollup(&book).await;
    book.compact(&CompactOptions::default(), |_, _| {}).await.unwrap();
    let old = PurgeOptions { older_than_days: 11, dry_run: false };
    book.purge(&old, |_, _| {}).await.unwrap();
    append(&book, "three", &lines(&[3, 4], 7)).await;
    append(&book, "four", &lines(&[3], 9)).await;
    book.rollup(&JobOptions::default(), |_, _| {}).await.unwrap();
    let before = sandbox.files("raw");
    append(&book, "late", &lines(&[2, 4], 11)).await;
    let mut late = sandbox.files("raw");
    late.retain(|file| !before.contains(file));
    let later = FixedClock::noon_of(day("2100-01-01"));
    let later = Tallybook::open_with(&location, Settings::default(), std::sync::Arc::new(later));
    later.await.unwrap().gc(&crate::support::life::AT_ONCE, |_| {}).await.unwrap();
    assert_eq!(book.verify(Span::ALL, |_| {}).await.unwrap(), None);
    (csv(&book, REPORT, Route::Auto).await.0, late)
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Exchange,
    Delete,
    Duplicate,
}

fn damage(random: &mut ChaCha8Rng, content: &[u8]) -> Damage {
    match random.random_range(0..20) {
        0..=13 => {
            // As often in the last bytes as in all others: the footer says how to read them.
            let tail = content.len().saturating_sub(1500);
            let from = if random.random_bool(0.5) { tail } else { 0 };
            Damage::Flip(random.random_range(from..content.len()), 1 << random.random_range(0..8))
        }
        14..=16 => Damage::Cut(random.random_range(0..content.len())),
        17 => Damage::Exchange,
        18 => Damage::Delete,
        _ => Damage::Duplicate,
    }
}

/// Does it to a copy of the root; whether that is anything at all.
fn apply(damage: Damage, file: &Path, all: &[PathBuf], random: &mut ChaCha8Rng) -> bool {
    let content = fs::read(file).unwrap();
    match damage {
        Damage::Flip(at, bit) => {
            let mut flipped = content;
            flipped[at] ^= bit;
            fs::write(file, flipped).unwrap();
        }
        Damage::Cut(length) => fs::write(file, &content[..length]).unwrap(),
        Damage::Exchange => {
            let other = fs::read(all.choose(random).unwrap()).unwrap();
            if other == content {
                return false;
            }
            fs::write(file, other).unwrap();
        }
        Damage::Delete => fs::remove_file(file).unwrap(),
        Damage::Duplicate => {
            let copy = file.with_file_name("copy.parquet");
            // Beside segments it has no name that anybody reads.
            if file.extension().is_none_or(|end| end != "parquet") || !is_raw(file) {
                return false;
            }
            fs::copy(file, copy).unwrap();
        }
    }
    true
}

fn is_raw(file: &Path) -> bool {
    file.components().any(|folder| folder.as_os_str() == "raw")
}

fn copy_of(root: &Path, files: &[PathBuf], target: &Path) {
    for file in files {
        let copy = target.join(file.strip_prefix(root).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(file, copy).unwrap();
    }
}

async fn check(
    sandbox: &Sandbox,
    (expected, late): &(String, Vec<PathBuf>),
    seed: u64,
) -> (bool, bool) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    copy_of(&sandbox.root(), &sandbox.files(""), &root);
    let of_data = |folder: &str| {
        let files = sandbox.files(folder).into_iter();
        let files = files.map(|file| root.join(file.strip_prefix(sandbox.root()).unwrap()));
        files.filter(|file| fs::metadata(file).unwrap().len() > 0).collect::<Vec<_>>()
    };
    let all: Vec<_> = of_data("raw").into_iter().chain(of_data("rollups")).collect();
    let file = all.choose(&mut random).unwrap();
    let damage = damage(&mut random, &fs::read(file).unwrap());
    if !apply(damage, file, &all, &mut random) {
        return (false, false);
    }
    let case = format!("{damage:?} of {}", file.strip_prefix(&root).unwrap().display());
    let clock = std::sync::Arc::new(FixedClock::noon_of(day(TODAY)));
    let location = root.to_str().unwrap();
    let book = Tallybook::open_with(location, Settings::default(), clock).await.unwrap();
    let verdict = book.verify(Span::ALL, |_| {}).await;
    // Without a hint a question is slower, and nothing is lost. Of a leaf that is gone before a segment knew of it there is no trace.
    let unknown = late.iter().any(|late| late.file_name() == file.file_name());
    let is_open = damage == Damage::Delete && (unknown || !is_raw(file));
    assert!(is_open || !matches!(verdict, Ok(None)), "{case} was not found");
    let mut failed = false;
    // All of it, and what rollups answer alone.
    let of_rollups = REPORT.replace("GROUP", "WHERE date IN ('2026-01-01', '2026-01-03') GROUP");
    let without = |line: &&str| !line.starts_with("2026-01-02") && !line.starts_with("2026-01-04");
    let fewer: String =
        expected.lines().filter(without).map(|line| line.to_owned() + "\n").collect();
    let questions = [(REPORT, Route::Auto, expected), (&of_rollups, Route::Rollup, &fewer)];
    for (sql, route, expected) in questions {
        match try_answer(&book, &Question::sql(sql).by_route(route)).await {
            Err(_) => failed = true,
            Ok((found, stats)) => {
                // Rows that are read raw are not hashed again, and files can come and go there.
                let unseen = is_raw(file) && stats.raw_days > 0;
                assert!(found == *expected || unseen, "{case}: {found}");
            }
        }
    }
    (true, failed)
}

#[test]
fn damage_is_found_and_never_a_wrong_number_from_rollups() {
    let wanted = number("TALLYBOOK_FLIPS").unwrap_or(300);
    let first = number("TALLYBOOK_TEST_SEED").unwrap_or(1);
    let sandbox = Sandbox::new();
    let expected = runtime().block_on(Box::pin(root(&sandbox)));
    let (next, damaged, failed) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    on_all_cores(1, || {
        let runtime = runtime();
        while damaged.load(Relaxed) < wanted {
            let seed = next.fetch_add(1, Relaxed);
            let repeat =
                OnPanic::say(format!("TALLYBOOK_TEST_SEED={seed} TALLYBOOK_FLIPS=1 repeats it"));
            let (was, error) = runtime.block_on(Box::pin(check(&sandbox, &expected, seed)));
            repeat.silence();
            damaged.fetch_add(u64::from(was), Relaxed);
            failed.fetch_add(u64::from(error), Relaxed);
        }
    });
    let (damaged, failed) = (damaged.into_inner(), failed.into_inner());
    eprintln!("{damaged} damaged files, all found; {failed} of them made a question fail");
}

//! Strays: objects and files of all kinds that other tools, consoles and copies leave in a root,
//! one at a time and all at once. None of them hides, stops or doubles anything.

use std::{fs, sync::Arc};

use tallybook::{
    CompactOptions, FixedClock, Outcome, PurgeOptions, RollupOptions, Route, Settings, Span,
    Tallybook,
};

use crate::support::{
    SMALL_LOG, Sandbox, append, csv, day, db_with, fake_store::FakeStore, life::AT_ONCE, rollup,
};

const TODAY: &str = "2026-02-05";
const ASK: &str = "SELECT CAST(date AS TEXT) AS d, who, sum(v) AS v, count(*) AS n FROM log \
                   GROUP BY 1, 2";

/// Strays, as paths below the root. The program itself uses none of these paths.
const STRAYS: [&str; 44] = [
    "raw/",
    "raw/_SUCCESS",
    "raw/.DS_Store",
    "raw/$folder$",
    "raw/0",
    "raw/zzz",
    "raw/README.md",
    "raw/date=",
    "raw/date=/x.parquet",
    "raw/date=2026-01-01.bak/L2-00112233445566778899aabbccddeeff.parquet",
    "raw/date=2026-01-01 copy/x.parquet",
    "raw/date=2026-1-1/x.parquet",
    "raw/date=2026-13-45/x.parquet",
    "raw/date=0000-00-00/x.parquet",
    "raw/date=99999-01-01/x.parquet",
    "raw/date=__HIVE_DEFAULT_PARTITION__/x.parquet",
    "raw/date=2026-01-02/",
    "raw/date=2026-01-02/.x.parquet.crc",
    "raw/date=2026-01-02/_SUCCESS",
    "raw/date=2026-01-02/_x.parquet",
    "raw/date=2026-01-02/x.parquet.tmp",
    "raw/date=2026-01-02/_temporary/0/x.parquet",
    "raw/date=2026-01-02/sub/x.parquet",
    "raw/date=2026-01-02/_m/",
    "raw/date=2026-01-02/_m/.DS_Store",
    "raw/date=2026-01-02/_m/2-00000001.json.bak",
    "raw/date=2026-01-02/_m/2-x.json",
    "raw/date=2026-01-02/_m/sub/2-00000009.json",
    "raw/date=2026-01-03/_m/x",
    "raw/month=2026-01/x.parquet",
    "raw/date=2026-01-02/caf\u{e9} \u{1f600} 100%.txt",
    "definitions/",
    "definitions/.DS_Store",
    "definitions/0.toml",
    "definitions/01.toml",
    "definitions/99.toml.bak",
    "batches/",
    "batches/.DS_Store",
    "batches/x.json",
    "rollups/",
    "rollups/.DS_Store",
    "rollups/by_who/x",
    "clock/",
    "x",
];

/// Keys that are no valid paths. A store can hold such a key, and the client then fails for the
/// whole page that has it.
const NO_PATHS: [&str; 11] = [
    "raw//x",
    "raw/./x",
    "raw/date=2026-01-02//x",
    "raw/date=2026-01-02/../x",
    "raw/date=2026-01-02/_m//x",
    "raw/date=2026-01-02/staging//x",
    "raw/date=2026-01-31/_m/./x",
    "raw/date=2026-01-02/L\u{1}x.parquet",
    "batches/0//x",
    "batches/a//b",
    "rollups//x",
];

fn lines(days: &[&str], hour: u8) -> String {
    let of_day = |day: &&str| {
        ["a", "b", "c"].map(|who| {
            format!("{{\"at\":\"{day}T{hour:02}:00:00Z\",\"who\":\"{who}\",\"v\":{hour}}}\n")
        })
    };
    days.iter().flat_map(of_day).collect()
}

/// Fills a root with merged days that have a late leaf, days of several leaves, and a day that only
/// the last page of a listing has.
async fn fill(db: &Tallybook) {
    append(db, "one", &lines(&["2026-01-01", "2026-01-02", "2026-01-03"], 3)).await;
    append(db, "two", &lines(&["2026-01-01", "2026-01-02", "2026-01-31"], 5)).await;
    rollup(db).await;
    db.compact(&CompactOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
    db.gc(&AT_ONCE, |_| {}).await.unwrap();
    append(db, "three", &lines(&["2026-01-03", "2026-01-31"], 7)).await;
    purge(db).await;
    append(db, "late", &lines(&["2026-01-01", "2026-01-02"], 9)).await;
    db.rollup(&RollupOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
    append(db, "later", &lines(&["2026-01-31", "2026-02-01"], 11)).await;
}

async fn purge(db: &Tallybook) {
    let old = PurgeOptions { older_than_days: 34, ..PurgeOptions::default() };
    let purged = db.purge(&old, |report| {
        assert!(matches!(report.outcome, Outcome::Purged(_)), "{report:?}");
    });
    purged.await.unwrap().into_result().unwrap();
}

async fn ask(location: &str, settings: &Settings, what: &str) -> Vec<String> {
    let clock = Arc::new(FixedClock::noon_of(day(TODAY)));
    let db = Tallybook::builder(location).settings(settings.clone()).clock(clock).open().await;
    let db = db.unwrap_or_else(|error| panic!("{what}: {error}"));
    let of_raw = ASK.replace("GROUP", "WHERE date > '2026-01-01' GROUP");
    let mut answers = Vec::new();
    for (sql, route) in [(ASK, Route::Auto), (&of_raw, Route::Raw)] {
        answers.push(csv(&db, sql, route).await.0);
    }
    answers
}

/// Every operation must do the same with strays as without them.
async fn live_among(location: &str, settings: &Settings, what: &str, expected: &[String]) {
    assert_eq!(ask(location, settings, what).await, expected, "{what}");
    let db = db_with(location, SMALL_LOG, TODAY, settings.clone()).await;
    db.status().await.unwrap_or_else(|error| panic!("{what}: status: {error}"));
    assert_eq!(db.verify(Span::ALL, |_| {}).await.unwrap(), None, "{what}");
    append(&db, "late", &lines(&["2026-01-01", "2026-01-02"], 9)).await;
    db.rollup(&RollupOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
    db.compact(&CompactOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
    purge(&db).await;
    let none = [("who".to_owned(), "nobody".to_owned())];
    let erased = db.erase(&none, false, |_| panic!("{what}: nobody is there")).await.unwrap();
    assert_eq!(erased.into_result().unwrap(), 0);
    db.gc(&AT_ONCE, |_| {}).await.unwrap_or_else(|error| panic!("{what}: gc: {error}"));
    assert_eq!(ask(location, settings, what).await, expected, "{what}, after all jobs");
    assert_eq!(db.verify(Span::ALL, |_| {}).await.unwrap(), None, "{what}");
}

#[tokio::test]
async fn on_a_store_of_small_pages() {
    let (store, location) = (FakeStore::start(), "s3://bucket/r");
    let settings = store.settings();
    let db = db_with(location, SMALL_LOG, TODAY, settings.clone()).await;
    fill(&db).await;
    let expected = ask(location, &settings, "nothing").await;
    assert_eq!(expected[0].lines().count(), 1 + 5 * 3, "{expected:?}");
    let all: Vec<_> = STRAYS.into_iter().chain(NO_PATHS).collect();
    for (at, stray) in all.iter().enumerate() {
        store.page_by(1 + at % 3);
        store.put(&format!("r/{stray}"), b"not ours");
        assert_eq!(ask(location, &settings, stray).await, expected, "{stray}");
        store.remove(&format!("r/{stray}"));
    }
    store.page_by(3);
    for (strays, what) in [(&STRAYS[..], "all that are paths"), (&all, "all")] {
        for stray in strays {
            store.put(&format!("r/{stray}"), b"not ours");
        }
        live_among(location, &settings, what, &expected).await;
        for stray in strays {
            let key = format!("r/{stray}");
            assert_eq!(store.get(&key).as_deref(), Some(b"not ours".as_slice()), "{key}");
        }
    }
}

#[tokio::test]
async fn in_a_folder() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    let (location, settings) = (sandbox.root(), Settings::default());
    let location = location.to_str().unwrap();
    let db = db_with(location, SMALL_LOG, TODAY, settings.clone()).await;
    fill(&db).await;
    let expected = ask(location, &settings, "nothing").await;
    let files = STRAYS.iter().filter(|stray| !stray.ends_with('/'));
    let files = files.map(|stray| stray.as_bytes().to_vec());
    let not_utf_8 = ["raw", "raw/date=2026-01-02", "raw/date=2026-01-02/_m", "definitions"];
    let not_utf_8 = not_utf_8.map(|folder| [folder.as_bytes(), b"/\xff\xfe.parquet"].concat());
    let all = files.chain(not_utf_8);
    let all: Vec<_> =
        all.map(|stray| sandbox.root().join(std::ffi::OsStr::from_bytes(&stray))).collect();
    for stray in &all {
        // Another stray may be a file that has the name of this stray's folder.
        if fs::create_dir_all(stray.parent().unwrap()).is_err() {
            continue;
        }
        fs::write(stray, "not ours").unwrap();
        let what = stray.display().to_string();
        assert_eq!(ask(location, &settings, &what).await, expected, "{what}");
    }
    live_among(location, &settings, "all", &expected).await;
    for stray in all.iter().filter(|stray| stray.exists()) {
        assert_eq!(fs::read(stray).unwrap(), b"not ours", "{}", stray.display());
    }
}

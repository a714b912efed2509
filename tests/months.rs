//! Segments of whole months: fewer files and the same answers. When a day changes, the days'
//! segments serve again.

use std::sync::Arc;

use tallybook::{
    FixedClock, Outcome, Period, RollupOptions, Route, SampleLog, Settings, Span, Tallybook,
};

use crate::support::life::AT_ONCE;
use crate::support::{
    Sandbox, append, append_days, both, csv, day, db_at, fake_store::FakeStore, rollup,
};

const LOG: SampleLog = SampleLog { seed: 9, organizations: 4, rows_per_hour: 3 };
const TOTAL: &str =
    "SELECT organization_id, count(*) AS n, sum(cost) AS c FROM ai_usage_log GROUP BY 1";

async fn months(db: &Tallybook) -> Vec<String> {
    let mut built = Vec::new();
    let all = RollupOptions::default();
    let done = db.rollup(&all, |report| {
        // After rows were erased from a purged day, some rollups have no source for the day.
        let fine = matches!(report.outcome, Outcome::Built { .. } | Outcome::NoSource);
        assert!(fine, "{report:?}");
        if let Period::Month(month) = report.period {
            built.push(format!("{} {}", month.first(), report.subject.as_deref().unwrap()));
        }
    });
    done.await.unwrap().into_result().unwrap();
    built
}

/// A root with the days from the middle of November to the tenth of January, in a year far from the
/// time when the files are written.
async fn fifty_days(location: &str, settings: Settings) -> Tallybook {
    let db = db_at(location, "2100-01-11", settings).await;
    append_days(&db, &LOG, "2099-11-16", 56, &[4, 19]).await;
    assert_eq!(rollup(&db).await, 56 * crate::support::ROLLUPS);
    db
}

async fn check(db: &Tallybook) {
    for sql in [
        TOTAL.to_owned(),
        "SELECT date, count(*) AS n FROM ai_usage_log GROUP BY 1".to_owned(),
        TOTAL.replace("GROUP", "WHERE date >= '2099-12-10' GROUP"),
        TOTAL.replace("GROUP", "WHERE date >= '2099-11-20' AND date < '2099-12-20' GROUP"),
        TOTAL.replace("GROUP", "WHERE timestamp >= '2099-12-03T04:00:00Z' GROUP"),
        TOTAL.replace("GROUP", "WHERE date <> '2099-12-24' GROUP"),
        TOTAL.replace("GROUP", "WHERE organization_id = 'org-001' GROUP"),
        "SELECT date_trunc('hour', timestamp) AS h, model, count(*) AS n FROM ai_usage_log \
         WHERE date > '2099-12-01' GROUP BY 1, 2"
            .to_owned(),
    ] {
        both(db, &sql).await;
    }
}

#[tokio::test]
async fn a_quiet_month_is_one_file_until_a_day_of_it_changes() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = fifty_days(&location, Settings::default()).await;
    check(&db).await;
    let built = months(&db).await;
    assert_eq!(built.len(), 2 * crate::support::ROLLUPS, "November and December: {built:?}");
    assert_eq!(months(&db).await.len(), 0);
    check(&db).await;
    let (_, stats) = csv(&db, TOTAL, Route::Auto).await;
    assert_eq!((stats.route, stats.rollup_days, stats.files), ("rollup", 56, 12));
    let mut checked = 0;
    let whole = db.verify(Span::ALL, |file| checked += usize::from(file.file.contains("/month=")));
    assert_eq!((whole.await.unwrap(), checked), (None, 2 * crate::support::ROLLUPS));
    // A new process uses month segments too, and its explanation says so.
    let ran = sandbox.run(&["query", TOTAL, "--explain"]).ok();
    assert!(ran.out.contains("2099-11-16 to 2100-01-10"), "{}", ran.out);
    assert!(ran.out.contains("12 files"), "{}", ran.out);

    append(&db, "late", &LOG.hour(day("2099-12-05"), 11)).await;
    check(&db).await;
    let (_, stats) = csv(&db, TOTAL, Route::Auto).await;
    assert_eq!((stats.route, stats.rollup_days, stats.raw_days), ("mixed", 56, 1));
    assert_eq!(rollup(&db).await, crate::support::ROLLUPS);
    check(&db).await;
    assert_eq!(months(&db).await.len(), crate::support::ROLLUPS, "December anew");
    check(&db).await;
    let clock = Arc::new(FixedClock::noon_of(day("2200-01-01")));
    let later = Tallybook::builder(&location)
        .settings(Settings::default())
        .clock(clock)
        .open()
        .await
        .unwrap();
    let mut gone = Vec::new();
    later.gc(&AT_ONCE, |file| gone.push(file.file.clone())).await.unwrap();
    assert_eq!(
        gone.iter().filter(|file| file.contains("/month=2099-12/")).count(),
        crate::support::ROLLUPS,
        "{gone:?}"
    );
    check(&db).await;
    assert_eq!(db.verify(Span::ALL, |_| {}).await.unwrap(), None);
}

#[tokio::test]
async fn months_on_a_store() {
    let store = FakeStore::start();
    let db = fifty_days("s3://bucket/months", store.settings()).await;
    assert_eq!(months(&db).await.len(), 2 * crate::support::ROLLUPS);
    check(&db).await;
    let (_, stats) = csv(&db, TOTAL, Route::Auto).await;
    assert_eq!((stats.route, stats.files), ("rollup", 12));
}

#[tokio::test]
async fn months_of_purged_days_serve_and_an_erasure_ends_them() {
    let sandbox = Sandbox::new();
    let db = fifty_days(sandbox.root().to_str().unwrap(), Settings::default()).await;
    let expected = csv(&db, TOTAL, Route::Raw).await.0;
    months(&db).await;
    let options =
        tallybook::PurgeOptions { older_than_days: 20, ..tallybook::PurgeOptions::default() };
    let purged = db.purge(&options, |report| {
        assert!(matches!(report.outcome, Outcome::Purged(_)), "{report:?}");
    });
    purged.await.unwrap().into_result().unwrap();
    assert_eq!(csv(&db, TOTAL, Route::Auto).await.0, expected);
    let columns = [("organization_id".to_owned(), "org-001".to_owned())];
    Box::pin(db.erase(&columns, false, |_| {})).await.unwrap().into_result().unwrap();
    let others: Vec<_> = expected.lines().filter(|line| !line.starts_with("org-001")).collect();
    let others = others.join("\n") + "\n";
    assert_eq!(csv(&db, TOTAL, Route::Auto).await.0, others);
    months(&db).await;
    assert_eq!(csv(&db, TOTAL, Route::Auto).await.0, others);
}

//! The cache of plans: a repeated query is not planned again, and still sees the root as it is.

use std::fs;

use tallybook::{Query, Route, SampleLog};

use crate::support::{
    Sandbox, answer, append, append_days, csv, day, db_at, fake_store::FakeStore, rollup,
};

const LOG: SampleLog = SampleLog { seed: 5, organizations: 4, rows_per_hour: 5 };
const COUNT: &str = "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log";

#[tokio::test]
async fn every_change_of_the_root_changes_the_answer_at_once() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, &LOG, "2026-01-01", 20, &[7]).await;
    let mut seen = Vec::new();
    let mut ask = async |what: &str, route: &str| {
        // A text that was never planned before: the comment in it is new.
        let (expected, _) = csv(&db, &format!("{COUNT} -- {what}"), Route::Raw).await;
        for _ in 0..2 {
            let (found, stats) = csv(&db, COUNT, Route::Auto).await;
            assert_eq!(found, expected, "{what}");
            assert_eq!(stats.route, route, "{what}: {stats:?}");
        }
        seen.push(expected);
    };
    ask("nothing rolled up", "raw").await;
    rollup(&db).await;
    ask("all rolled up", "rollup").await;
    append(&db, "late", &LOG.hour(day("2026-01-05"), 9)).await;
    ask("a late leaf", "mixed").await;
    rollup(&db).await;
    ask("rolled up again", "rollup").await;
    append(&db, "new", &LOG.hour(day("2026-01-31"), 9)).await;
    ask("a new day", "mixed").await;
    let gone = sandbox.files("rollups").into_iter();
    for file in gone.filter(|file| file.to_str().unwrap().contains("_daily")) {
        fs::remove_file(file).unwrap();
    }
    ask("only hourly rollups left", "mixed").await;
    fs::remove_dir_all(sandbox.root().join("rollups")).unwrap();
    ask("no rollup left", "raw").await;
    fs::remove_dir_all(sandbox.root().join("raw/date=2026-01-05")).unwrap();
    ask("a day deleted", "raw").await;
    seen.dedup();
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn what_depends_on_more_than_the_root_is_planned_each_time() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append(&db, "a", &LOG.hour(day("2026-01-05"), 9)).await;
    let clock = "SELECT now() AS t, count(*) AS n FROM ai_usage_log";
    let (first, _) = csv(&db, clock, Route::Auto).await;
    let (second, _) = csv(&db, clock, Route::Auto).await;
    assert_ne!(first, second);

    let sql = "SELECT count(*) AS n FROM ai_usage_log WHERE organization_id = $org";
    let mut counts = Vec::new();
    for org in ["org-000", "org-001", "nobody", "org-000"] {
        let params = vec![("org".to_owned(), Some(org.to_owned()))];
        counts.push(answer(&db, &Query::sql(sql).with_params(params)).await.0);
    }
    assert_eq!(counts[2], "n\n0\n");
    assert_eq!(counts[0], counts[3]);
    assert_ne!(counts[0], counts[2]);

    let names = sandbox.write("names.csv", "id,name\norg-000,First\n");
    db.register_file("names", &names).await.unwrap();
    let named = "SELECT count(*) AS n FROM ai_usage_log JOIN names ON id = organization_id";
    let (one, _) = csv(&db, named, Route::Auto).await;
    assert_eq!(one, counts[0]);
    fs::write(&names, "id,name\nnobody,Nobody at all\n").unwrap();
    assert_eq!(csv(&db, named, Route::Auto).await.0, "n\n0\n");
}

#[tokio::test]
async fn a_changed_root_is_listed_once_all_the_same() {
    let store = FakeStore::start();
    let db = db_at("s3://bucket/p", "2026-02-01", store.settings()).await;
    append_days(&db, &LOG, "2026-01-01", 10, &[7]).await;
    rollup(&db).await;
    let listings = async |sql: &str| {
        let lists = |(method, path): &(String, String)| method == "GET" && path == "/bucket";
        let before = store.log().iter().filter(|request| lists(request)).count();
        csv(&db, sql, Route::Auto).await;
        store.log().iter().filter(|request| lists(request)).count() - before
    };
    let new = listings(COUNT).await;
    assert!(listings(COUNT).await < new, "only what the plan depends on");
    append(&db, "late", &LOG.hour(day("2026-01-05"), 9)).await;
    let changed = listings(COUNT).await;
    assert_eq!(changed, listings(&format!("{COUNT} -- never planned before")).await);
}

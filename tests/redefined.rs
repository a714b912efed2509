//! A definition that changes. Segments of the previous definition serve what they can until new
//! ones are built. Where raw rows were purged, the remains of the previous definition serve for
//! good.

use std::fs;

use tallybook::{CompactOptions, DEFAULT_DEFINITION, Outcome, Query, Route, SampleLog};

use crate::support::{Sandbox, append, append_days, both, csv, day, rollup, try_answer};

const LOG: SampleLog = SampleLog { seed: 7, organizations: 4, rows_per_hour: 6 };
const BY_ORGANIZATION: &str =
    "SELECT organization_id, sum(cost) AS c, count(*) AS n FROM ai_usage_log GROUP BY 1";
const LATENCY: &str = "SELECT organization_id, max(latency_ms) AS m FROM ai_usage_log GROUP BY 1";

/// The default definition with one more measure in the rollups by organization, and with one new
/// rollup.
fn changed() -> String {
    let with_measure = DEFAULT_DEFINITION.replace(
        "dimensions = [\"organization_id\"]\ntable = \"ai_usage_daily_aggregates\"\nmeasures = [",
        "dimensions = [\"organization_id\"]\ntable = \"ai_usage_daily_aggregates\"\nmeasures = [\n  \
         \"max(latency_ms) as max_latency_ms\",",
    );
    assert_ne!(with_measure, DEFAULT_DEFINITION);
    with_measure
        + "\n[[rollup]]\nname = \"models\"\ngrain = \"day\"\ndimensions = [\"model\"]\n\
           measures = [\"count(*) as calls\", \"sum(cost) as cost\"]\n"
}

/// Makes a root of ten days, rolled up, with the raw rows of the first four purged. Then changes
/// its definition. Gives the answers from before the purge.
async fn redefined(sandbox: &Sandbox) -> (String, String) {
    let db = sandbox.db("2026-01-11").await;
    append_days(&db, &LOG, "2026-01-01", 10, &[5, 14]).await;
    rollup(&db).await;
    let expected = csv(&db, BY_ORGANIZATION, Route::Raw).await.0;
    let models = "SELECT model, count(*) AS n FROM ai_usage_log GROUP BY 1".to_owned();
    let by_model = csv(&db, &models, Route::Raw).await.0;
    let options =
        tallybook::PurgeOptions { older_than_days: 6, ..tallybook::PurgeOptions::default() };
    db.purge(&options, |_| {}).await.unwrap().into_result().unwrap();
    let file = sandbox.write("new.toml", changed());
    sandbox.run(&["init", file.to_str().unwrap()]).failed(6, "init --replace");
    let ran = sandbox.run(&["init", file.to_str().unwrap(), "--replace"]).ok();
    assert!(ran.err.contains("models"), "{ran:?}");
    (expected, by_model)
}

#[tokio::test]
async fn earlier_segments_serve_until_there_are_new_ones_and_of_purged_days_for_good() {
    let sandbox = Sandbox::new();
    let (expected, by_model) = redefined(&sandbox).await;
    let db = tallybook::Tallybook::open(sandbox.root().to_str().unwrap()).await.unwrap();
    let (found, stats) = csv(&db, BY_ORGANIZATION, Route::Auto).await;
    assert_eq!((found, stats.route), (expected.clone(), "rollup"));
    let error = try_answer(&db, &Query::sql(LATENCY)).await.unwrap_err();
    assert!(error.to_string().contains("2026-01-01 to 2026-01-04 were purged"), "{error}");
    let status = sandbox.run(&["status"]);
    let progress = "org_daily: 0 current, 0 behind, 0 missing, 6 served by a previous definition \
                    until they are built, 4 with nothing to be built of: purged";
    assert!(status.code == 1 && status.out.contains(progress), "{}", status.out);

    // For the purged days, the new rollup by model is built from a finer one. The new measure can't
    // be computed for these days.
    let ran = sandbox.run(&["rollup"]).ok();
    assert!(ran.err.contains("16 segments built, 0 failed"), "{}", ran.err);
    assert!(ran.err.contains("4 segments have nothing to be built of"), "{}", ran.err);
    sandbox.run(&["status"]).ok();
    let models = "SELECT model, count(*) AS n FROM ai_usage_log GROUP BY 1";
    let (found, stats) = csv(&db, models, Route::Rollup).await;
    assert_eq!((found, stats.route), (by_model, "rollup"));
    let (found, stats) = csv(&db, BY_ORGANIZATION, Route::Auto).await;
    assert_eq!((found, stats.route), (expected.clone(), "rollup"));
    let later = LATENCY.replace("GROUP", "WHERE date > '2026-01-04' GROUP");
    let set = ["query", &later, "--set", "rollup.min_span=0", "--stats", "--format", "csv"];
    assert!(sandbox.run(&set).ok().err.contains("\"route\":\"rollup\""));
    both(&db, &later).await;
    sandbox.run(&["verify"]).ok();

    // `gc` deletes the segments of the old definition, except those of the purged days: they prove
    // these days if the folders are lost. The remains of the purged days are still there.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let gone = sandbox.run(&["gc", "--grace", "1ms"]).ok().out;
    let segments = gone.lines().filter(|line| line.contains("rollups/org_daily/")).count();
    assert_eq!(segments, 6, "{gone}");
    assert_eq!(csv(&db, BY_ORGANIZATION, Route::Auto).await.0, expected);
}

/// Late rows are added to the remains of a purged day, also when these are from the previous
/// definition.
#[tokio::test]
async fn late_rows_of_purged_days_are_added_to_what_an_earlier_definition_left() {
    let sandbox = Sandbox::new();
    redefined(&sandbox).await;
    let db = tallybook::Tallybook::open(sandbox.root().to_str().unwrap()).await.unwrap();
    append(&db, "late", &LOG.hour(day("2026-01-02"), 20)).await;
    let (expected, _) = csv(&db, BY_ORGANIZATION, Route::Auto).await;
    let purged = sandbox.run(&["purge", "--older-than", "0d"]).ok();
    assert!(!purged.err.contains("2026-01-02"), "{purged:?}");
    drop(fs::remove_dir_all(sandbox.root().join("rollups")));
    assert_eq!(csv(&db, BY_ORGANIZATION, Route::Auto).await.0, expected);
    sandbox.run(&["verify"]).ok();
}

/// Definitions are a chain, and no definition is ever deleted. Segments of previous definitions are
/// deleted.
#[tokio::test]
async fn what_an_old_definition_built_goes_and_the_definition_stays() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-11").await;
    append_days(&db, &LOG, "2026-01-01", 10, &[5]).await;
    rollup(&db).await;
    let expected = csv(&db, BY_ORGANIZATION, Route::Raw).await.0;
    let file = sandbox.write("new.toml", changed());
    sandbox.run(&["init", file.to_str().unwrap(), "--replace"]).ok();
    sandbox.run(&["rollup"]).ok();
    for _ in 0..2 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        sandbox.run(&["gc", "--grace", "1ms"]).ok();
        assert_eq!(sandbox.files("definitions").len(), 2);
        // Of the changed rollup, only the new definition's segments are left.
        assert_eq!(fs::read_dir(sandbox.root().join("rollups/org_daily")).unwrap().count(), 2);
        assert_eq!(sandbox.files("rollups/org_daily").len(), 10);
        let query = ["query", BY_ORGANIZATION, "--format", "csv", "--route", "rollup"];
        assert_eq!(sandbox.run(&query).ok().out, expected);
    }
}

#[tokio::test]
async fn a_definition_that_can_not_hold_the_rows_is_refused() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-11").await;
    append_days(&db, &LOG, "2026-01-01", 3, &[5]).await;
    let stored = sandbox.files("definitions");
    for (from, to, words) in [
        ("\"input_tokens\", type = \"integer\"", "\"input_tokens\", type = \"text\"", "an integer"),
        ("{ name = \"project\", type = \"text\" },", "", "column `project`"),
        ("table = \"ai_usage_log\"", "table = \"calls\"", "table `ai_usage_log`"),
        (
            "{ name = \"project\", type = \"text\" }",
            "{ name = \"project\", type = \"text\", required = true }",
            "`project`",
        ),
    ] {
        let text = DEFAULT_DEFINITION.replacen(from, to, 1);
        assert_ne!(text, DEFAULT_DEFINITION);
        let file = sandbox.write("wrong.toml", text);
        let ran = sandbox.run(&["init", file.to_str().unwrap(), "--replace"]);
        assert!(ran.code == 6 || ran.code == 3, "{words} {ran:?}");
        assert_eq!(sandbox.files("definitions"), stored);
    }
    // One more column, which the rows so far don't have.
    let of_before = sandbox.db("2026-01-11").await;
    let text = DEFAULT_DEFINITION.replace(
        "{ name = \"project\", type = \"text\" },",
        "{ name = \"project\", type = \"text\" },\n  { name = \"region\", type = \"text\" },",
    );
    let file = sandbox.write("more.toml", text);
    sandbox.run(&["init", file.to_str().unwrap(), "--replace"]).ok();
    let regions = "SELECT region, count(*) AS n FROM ai_usage_log GROUP BY 1";
    let ran = sandbox.run(&["query", regions, "--format", "csv"]).ok();
    assert!(ran.out.starts_with("region,n\n,"), "{}", ran.out);
    // A process that opened the root before doesn't know the column, and must not drop it.
    for hour in ["07", "08"] {
        let row = format!(
            "{{\"timestamp\":\"2026-01-02T{hour}:00:00Z\",\"organization_id\":\"a\",\"region\":\"eu\"}}\n"
        );
        sandbox.run_with(&["append"], row.as_bytes()).ok();
    }
    rollup(&of_before).await;
    let mut refused = Vec::new();
    let done = of_before
        .compact(&CompactOptions::default(), |report| match &report.outcome {
            Outcome::Failed(error) => refused.push((report.period.to_string(), error.to_string())),
            _ => panic!("{report:?}"),
        })
        .await
        .unwrap();
    assert_eq!(done.failures.len(), 1, "{done:?}");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].1.contains("nothing was changed"), "{refused:?}");
    sandbox.run(&["rollup", "--compact"]).ok();
    let ran = sandbox.run(&["query", regions, "--format", "csv"]).ok();
    assert!(ran.out.contains("\neu,2\n"), "{}", ran.out);
    sandbox.run(&["verify"]).ok();
}

//! A root of ten days, and the jobs on it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tallybook::{
    CompactOptions, FixedClock, GcOptions, Outcome, PurgeOptions, Route, SampleLog, Settings, Span,
    Tallybook,
};

use super::{Sandbox, append, csv, day, rollup};

pub(crate) const LOG: SampleLog = SampleLog { seed: 6, organizations: 5, rows_per_hour: 4 };
pub(crate) const COUNT: &str = "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log";
pub(crate) const BY_ORGANIZATION: &str = "SELECT organization_id, count(*) AS n, sum(cost) AS c, avg(input_tokens) AS a \
                               FROM ai_usage_log GROUP BY 1";
pub(crate) const BY_MODEL: &str =
    "SELECT model, count(*) AS n, max(latency_ms) AS m FROM ai_usage_log GROUP BY 1";
/// No rollup has sessions.
pub(crate) const BY_SESSION: &str = "SELECT session_id, count(*) AS n FROM ai_usage_log GROUP BY 1";
pub(crate) const BY_USER: &str = "SELECT user_id, count(*) AS n FROM ai_usage_log GROUP BY 1";
pub(crate) const HOURS: [u8; 3] = [1, 9, 15];

/// Appends ten days of three leaves each.
pub(crate) async fn ten_days(db: &Tallybook) {
    for hour in HOURS {
        for offset in 0..10 {
            let day = day("2026-01-01").plus(offset);
            append(db, &format!("{day} {hour}"), &LOG.hour(day, hour)).await;
        }
    }
}

/// A root of ten days in the sandbox, on the day after them, with all rollups built.
pub(crate) async fn rolled_up(sandbox: &Sandbox) -> Tallybook {
    let db = sandbox.db("2026-01-11").await;
    ten_days(&db).await;
    rollup(&db).await;
    db
}

pub(crate) async fn compact(db: &Tallybook) -> usize {
    let mut days = 0;
    let all = CompactOptions::default();
    let done = db.compact(&all, |report| match &report.outcome {
        Outcome::Compacted { after, .. } => {
            assert_eq!(after.count, 1, "{report:?}");
            days += 1;
        }
        _ => panic!("{report:?}"),
    });
    done.await.unwrap().into_result().unwrap();
    days
}

pub(crate) async fn purge(db: &Tallybook, older_than_days: u32) -> usize {
    let mut days = 0;
    let options = PurgeOptions { older_than_days, ..PurgeOptions::default() };
    let done = db.purge(&options, |report| match report.outcome {
        Outcome::Purged(_) => days += 1,
        _ => panic!("{report:?}"),
    });
    done.await.unwrap().into_result().unwrap();
    days
}

pub(crate) async fn erase(db: &Tallybook, column: &str, value: &str) -> (usize, Vec<String>) {
    let (mut days, mut dropped) = (0, Vec::new());
    let columns = [(column.to_owned(), value.to_owned())];
    let done = db.erase(&columns, false, |report| match report.outcome {
        Outcome::Erased => days += 1,
        Outcome::Dropped => dropped.extend(report.subject.clone()),
        Outcome::NotTold => {}
        _ => panic!("{report:?}"),
    });
    done.await.unwrap().into_result().unwrap();
    (days, dropped)
}

/// No grace period, because a test can't set the store's own clock.
pub(crate) const AT_ONCE: GcOptions =
    GcOptions { grace: Duration::ZERO, abandoned: Duration::ZERO, dry_run: false };

/// Deletes all files that `gc` may delete. Gives their names.
pub(crate) async fn gc(location: &str, settings: &Settings) -> BTreeSet<String> {
    let clock = Arc::new(FixedClock::noon_of(day("2026-01-12")));
    let later =
        Tallybook::builder(location).settings(settings.clone()).clock(clock).open().await.unwrap();
    let mut gone = BTreeSet::new();
    later
        .gc(&AT_ONCE, |file| assert!(gone.insert(file.file.clone()), "twice: {file:?}"))
        .await
        .unwrap();
    gone
}

pub(crate) async fn verified(db: &Tallybook) {
    assert_eq!(db.verify(Span::ALL, |_| {}).await.unwrap(), None);
}

pub(crate) async fn answers(db: &Tallybook, route: Route) -> Vec<String> {
    let mut answers = Vec::new();
    for sql in [COUNT, BY_ORGANIZATION, BY_MODEL] {
        answers.push(csv(db, sql, route).await.0);
    }
    answers
}

//! The scenarios that are explored with all rules kept.

use crate::actor::Actor;
use crate::scenario::Scenario;

/// The usual scenarios: each kind of process beside those that could harm it.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let mut all = appends();
    all.extend(erasures());
    all.extend(purges());
    all.extend(answers_lost());
    all.extend(two_days());
    all.extend(given_up_claims());
    all.extend(foreign_files());
    all.extend(copies_without_manifests());
    all
}

fn appends() -> Vec<Scenario> {
    vec![
        Scenario::new("append, retry in any order, late leaf, compaction, gc, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Late, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.deaths, it.other_order) = (true, true)),
        Scenario::new("append, retry in any order, compaction, erase, gc, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.deaths, it.other_order) = (true, true)),
        Scenario::new("query, rollup, late leaf, compaction, erase, gc")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .with(Actor::Query, 1)
            .set(|it| it.published = true),
        Scenario::new("a file rots, a write is bad: late leaf, compaction, purge, gc")
            .with(Actor::Late, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Purge, 1)
            .with(Actor::Gc, 2)
            .set(|it| (it.published, it.rot, it.bad_writes) = (true, true, true)),
    ]
}

fn erasures() -> Vec<Scenario> {
    vec![
        Scenario::new("append, compaction, erase started twice, gc, deaths")
            .with(Actor::Writer, 2)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 2)
            .with(Actor::Gc, 1)
            .set(|it| it.deaths = true),
        Scenario::new("half published, retried, two erasures of different rows, gc")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Erase, 1)
            .with(Actor::SecondErase, 1)
            .with(Actor::Gc, 1)
            .set(|it| it.deaths = true),
        Scenario::new("two gc, compaction, purge, erase")
            .with(Actor::Compact, 1)
            .with(Actor::Purge, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .with(Actor::SecondGc, 1)
            .set(|it| it.published = true),
        Scenario::new("gc deletes in any order: late leaf, rollup, compaction, erase, deaths")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 2)
            .set(|it| (it.published, it.any_order, it.deaths) = (true, true, true)),
        Scenario::new("snapshots in two steps: append, late leaf, compaction, erase, gc")
            .with(Actor::Writer, 1)
            .with(Actor::Late, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.split_snapshots, it.late_row_erased) = (true, true)),
        Scenario::new("snapshots in two steps: late leaf, compaction, purge, erase, gc")
            .with(Actor::Late, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Purge, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.published, it.split_snapshots) = (true, true)),
    ]
}

fn purges() -> Vec<Scenario> {
    vec![
        Scenario::new("rollup, late leaf, purge twice, erase, gc")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 2)
            .with(Actor::Purge, 2)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.published, it.late_row_erased) = (true, true)),
        Scenario::new("definition replaced twice, late leaf, rollup, purge twice, gc")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 1)
            .with(Actor::Purge, 2)
            .with(Actor::Define, 1)
            .with(Actor::SecondDefine, 1)
            .with(Actor::Gc, 1)
            .set(|it| it.published = true),
        Scenario::new("late leaf of a purged day lost, rollup, purge twice, gc, deaths")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 1)
            .with(Actor::Purge, 2)
            .with(Actor::Gc, 1)
            .set(|it| (it.published, it.late_leaf_lost, it.deaths) = (true, true, true)),
        Scenario::new("late leaf of a purged day lost, purge twice, erase, gc")
            .with(Actor::Late, 1)
            .with(Actor::Purge, 2)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.published, it.late_leaf_lost, it.late_row_erased) = (true, true, true)),
    ]
}

fn answers_lost() -> Vec<Scenario> {
    vec![
        Scenario::new("answers are lost: append, retry, compaction, purge, gc, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Purge, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.lost_answers, it.deaths) = (true, true)),
        Scenario::new("answers are lost: append, erase, gc, deaths")
            .with(Actor::Writer, 2)
            .with(Actor::Late, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.lost_answers, it.deaths) = (true, true)),
    ]
}

fn two_days() -> Vec<Scenario> {
    vec![
        Scenario::new("two days: half published, erased, retried, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.second_leaf_day, it.deaths) = (1, true)),
        Scenario::new("two days: month hint, late leaf, compaction, erase, gc")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 3)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| (it.published, it.second_leaf_day) = (true, 1)),
        Scenario::new("two days: month hint, definition replaced, purge, late leaf")
            .with(Actor::Late, 1)
            .with(Actor::Rollup, 4)
            .with(Actor::Purge, 2)
            .with(Actor::Define, 1)
            .set(|it| (it.published, it.second_leaf_day) = (true, 1)),
    ]
}

fn given_up_claims() -> Vec<Scenario> {
    vec![
        Scenario::new("claim given up: writer, retry, compaction, gc, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Mender, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Gc, 1)
            .set(|it| it.deaths = true),
        Scenario::new("claim given up, twice: writer, erase, compaction, gc, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Mender, 2)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 1)
            .set(|it| it.deaths = true),
        Scenario::new("claim given up: two days, writer, retry, erase, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Mender, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Compact, 1)
            .set(|it| (it.second_leaf_day, it.deaths, it.lost_answers) = (1, true, true)),
    ]
}

fn foreign_files() -> Vec<Scenario> {
    let foreign = |it: &mut Scenario| {
        it.foreign = true;
        it.foreign_touched = true;
        it.foreign_rewritten = true;
    };
    vec![
        Scenario::new("foreign file touched, rewritten: rollup, compaction, erase, gc, deaths")
            .with(Actor::Rollup, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 1)
            .with(Actor::Gc, 2)
            .set(foreign)
            .set(|it| (it.deaths, it.split_snapshots) = (true, true)),
        Scenario::new("foreign file touched, rewritten: append, purge twice, gc, query")
            .with(Actor::Late, 1)
            .with(Actor::Purge, 2)
            .with(Actor::Gc, 2)
            .with(Actor::Query, 1)
            .set(foreign),
    ]
}

fn copies_without_manifests() -> Vec<Scenario> {
    let copied = |it: &mut Scenario| {
        it.copy_without_manifests = true;
        it.parts = 2;
        it.any_order = true;
    };
    vec![
        Scenario::new("copy without _m/, repair: writer, retry, compaction, purge, gc")
            .with(Actor::Writer, 1)
            .with(Actor::Retry, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Purge, 1)
            .with(Actor::Gc, 2)
            .with(Actor::Repair, 1)
            .set(copied),
        Scenario::new("copy without _m/, repair: late leaf, compaction, erase, gc, deaths")
            .with(Actor::Late, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Erase, 2)
            .with(Actor::Gc, 1)
            .with(Actor::Repair, 1)
            .set(copied)
            .set(|it| (it.published, it.deaths) = (true, true)),
        Scenario::new("copy without _m/, repair: claim given up, compaction, gc, deaths")
            .with(Actor::Writer, 1)
            .with(Actor::Mender, 1)
            .with(Actor::Compact, 1)
            .with(Actor::Gc, 1)
            .with(Actor::Repair, 1)
            .set(copied)
            .set(|it| it.deaths = true),
        Scenario::new("copy without _m/, repair: bad writes, foreign file, compaction, gc twice")
            .with(Actor::Late, 1)
            .with(Actor::Compact, 2)
            .with(Actor::Gc, 2)
            .with(Actor::Query, 1)
            .with(Actor::Repair, 2)
            .set(copied)
            .set(|it| (it.published, it.bad_writes) = (true, true))
            .set(|it| (it.foreign, it.foreign_rewritten) = (true, true)),
    ]
}

/// Every kind of process at once, too large to be explored to the end: on two days; on one day
/// with files that rot; on a root that is copied without `_m/`.
#[must_use]
pub fn everything() -> Vec<Scenario> {
    let all = |name, runs| {
        let all =
            Actor::EACH.into_iter().fold(Scenario::new(name), |it, actor| it.with(actor, runs));
        all.set(|it| {
            it.foreign = true;
            it.foreign_touched = true;
            it.foreign_rewritten = true;
            it.deaths = true;
            it.lost_answers = true;
            it.late_leaf_lost = true;
            it.late_row_erased = true;
            it.split_snapshots = true;
            it.any_order = true;
        })
    };
    vec![
        all("everything at once, two days", 2).set(|it| it.second_leaf_day = 1),
        all("everything at once, one day, damage", 2).set(|it| {
            it.other_order = true;
            it.bad_writes = true;
            it.rot = true;
        }),
        all("everything at once, one day, copy without _m/", 3).set(|it| {
            it.copy_without_manifests = true;
            it.parts = 2;
        }),
    ]
}

//! Processes that die at each named step of durable work, and are run again: nothing is lost, nothing
//! counted twice, and what doesn't change answers has changed none.
//!
//! `TALLYBOOK_STEP_HITS` is how often each step is passed at most before the process dies there, and
//! `TALLYBOOK_STEPS_ON=store` puts the root on a store over HTTP.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tallybook::{Clock as _, Day, SampleLog, SystemClock};

use crate::support::{
    Ran, Sandbox,
    fake_store::FakeStore,
    many::{number, on_all_cores},
};

const LOG: SampleLog = SampleLog { seed: 12, organizations: 3, rows_per_hour: 3 };
const REPORT: &str = "SELECT CAST(date AS TEXT) AS d, organization_id, count(*) AS n, sum(cost) AS c \
                      FROM ai_usage_log GROUP BY 1, 2";

/// Every step there is, as the source names them.
fn steps() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut steps = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(path).unwrap();
                let named = text.split("step(\"").skip(1);
                steps.extend(named.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    steps.sort();
    steps.dedup();
    steps
}

/// The life of a root: each command, its input, and whether answers are the same after it.
fn script(sandbox: &Sandbox, today: Day) -> Vec<(Vec<String>, bool)> {
    let days = |hours: &[u8], first: i32, last: i32| -> String {
        let days = (first..=last).map(|back| today.plus(back));
        days.flat_map(|day| hours.iter().map(move |hour| LOG.hour(day, *hour))).collect()
    };
    for (name, lines) in
        [("one", days(&[3, 4], -6, -1)), ("two", days(&[9], -6, -1)), ("late", days(&[13], -5, -4))]
    {
        sandbox.write(name, lines);
    }
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        (words("append one --batch one --format ndjson"), false),
        (words("append two --batch two --format ndjson"), false),
        (words("rollup --compact"), true),
        (words("append late --batch late --format ndjson"), false),
        (words("rollup --compact"), true),
        (words("gc --grace 0s"), true),
        (words("purge --older-than 5d"), true),
        (words("erase --organization org-001"), false),
        (words("gc --grace 0s"), true),
    ]
}

/// A root, in a folder or on a store.
struct Place {
    sandbox: Sandbox,
    store: Option<FakeStore>,
}

impl Place {
    fn new(on_store: bool) -> Self {
        Self { sandbox: Sandbox::new(), store: on_store.then(FakeStore::start) }
    }

    fn run<S: AsRef<OsStr>>(&self, args: &[S], fail_at: Option<&str>) -> Ran {
        let mut command = self.sandbox.command(args);
        if let Some(store) = &self.store {
            command.envs(store.environment()).env("TALLYBOOK_ROOT", "s3://bucket/r");
            command.env("TALLYBOOK_CACHE", self.sandbox.root().join("cache"));
        }
        if let Some(fail_at) = fail_at {
            command.env("FAILPOINTS", fail_at);
        }
        crate::support::run(command, b"")
    }

    fn report(&self) -> String {
        self.run(&["query", REPORT, "--format", "csv"], None).ok().out
    }
}

/// Runs the script, in which the process dies once; how often it did, and the answer at the end.
fn live(today: Day, on_store: bool, dies_at: Option<&str>) -> (usize, String) {
    let place = Place::new(on_store);
    let (mut deaths, mut fail_at) = (0, dies_at);
    let script = script(&place.sandbox, today);
    for (at, (args, changes_nothing)) in script.iter().enumerate() {
        let before = (at > 0).then(|| place.report());
        let ran = place.run(args, fail_at);
        if ran.code != 0 {
            assert_eq!(
                ran.code, -1,
                "{dies_at:?} {args:?}: died by a signal or not at all\n{ran:?}"
            );
            (deaths, fail_at) = (deaths + 1, None);
            if *changes_nothing {
                assert_eq!(Some(place.report()), before, "{dies_at:?} {args:?}");
            }
            let again = place.run(args, None);
            assert_eq!(again.code, 0, "{dies_at:?} {args:?} again\n{again:?}");
        }
        if *changes_nothing {
            assert_eq!(Some(place.report()), before, "{dies_at:?} {args:?}");
        }
    }
    place.run(&["rollup"], None).ok();
    place.run(&["verify"], None).ok();
    (deaths, place.report())
}

#[test]
fn a_process_that_dies_at_any_step_loses_nothing() {
    let steps = steps();
    assert!(steps.len() >= 25, "{}: {steps:?}", steps.len());
    let today = SystemClock.today();
    let on_store = std::env::var("TALLYBOOK_STEPS_ON").is_ok_and(|place| place == "store");
    let hits = number("TALLYBOOK_STEP_HITS");
    let hits = hits.map_or_else(|| vec![0, 2], |hits| (0..=hits).collect());
    let (_, expected) = live(today, on_store, None);
    let deaths: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    let cases: Vec<_> =
        steps.iter().flat_map(|step| hits.iter().map(move |hits| (step, *hits))).collect();
    let next = AtomicUsize::new(0);
    on_all_cores(1, || {
        while let Some((step, hits_before)) = cases.get(next.fetch_add(1, Relaxed)) {
            let fail_at = match hits_before {
                0 => format!("{step}=return"),
                hits => format!("{step}={hits}*off->return"),
            };
            let (died, answer) = live(today, on_store, Some(&fail_at));
            assert_eq!(answer, expected, "{fail_at}");
            *deaths.lock().unwrap().entry(step).or_default() += died;
        }
    });
    let deaths = deaths.into_inner().unwrap();
    let total: usize = deaths.values().sum();
    eprintln!("{total} deaths at {} steps: {deaths:?}", steps.len());
    // What only a local disk needs has no step there.
    if on_store {
        return;
    }
    // Only for what a slow or dead compaction leaves behind, and for a definition that is replaced.
    let never: Vec<_> =
        deaths.iter().filter(|(_, died)| **died == 0).map(|(step, _)| *step).collect();
    assert_eq!(never, ["gc: generation closed", "init: old definition kept"]);
}

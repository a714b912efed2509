//! Kill tests: a process dies at each failpoint of durable work, and is run again. Nothing is lost,
//! and nothing is counted twice. Commands that don't change answers change none.
//!
//! `TALLYBOOK_STEP_HITS` is the maximum number of times that the process passes a failpoint before
//! it dies there. `TALLYBOOK_STEPS_ON=store` puts the root on a store over HTTP. `TALLYBOOK_STEPS`
//! is a list of failpoints, with commas between them; all when not set.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tallybook::{Clock as _, DEFAULT_DEFINITION, Day, SampleLog, SystemClock};

use crate::support::{
    Ran, Sandbox,
    many::{number, on_all_cores},
    place::Place,
};

const LOG: SampleLog = SampleLog { seed: 12, organizations: 3, rows_per_hour: 3 };
const REPORT: &str = "SELECT CAST(date AS TEXT) AS d, organization_id, count(*) AS n, sum(cost) AS c \
                      FROM ai_usage_log GROUP BY 1, 2";

/// How long a process waits so that another one is faster, in milliseconds.
const WAIT_MS: u64 = 2500;

/// The names of all failpoints, from the source code.
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
                let named = text.split("failpoint(\"").skip(1);
                steps.extend(named.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    steps.sort();
    steps.dedup();
    steps
}

/// One command in a root's life.
struct Act {
    args: Vec<String>,
    /// Whether answers are the same after the command.
    changes_nothing: bool,
    /// A failpoint where the process always dies, so that the next commands find its files.
    dies_at: Option<&'static str>,
    /// A failpoint where the process waits while a second process runs the same command and wins.
    waits_at: Option<&'static str>,
    /// Whether all files are made three days old before the command.
    files_age: bool,
    /// The day whose manifests are deleted before the command.
    loses: Option<Day>,
}

/// The life of a root. It reaches every failpoint.
fn script(sandbox: &Sandbox, today: Day) -> Vec<Act> {
    let days = |hours: &[u8], first: i32, last: i32| -> String {
        let days = (first..=last).map(|back| today.plus(back));
        days.flat_map(|day| hours.iter().map(move |hour| LOG.hour(day, *hour))).collect()
    };
    // The first two days of a month that ended long ago.
    let month = today.plus(-70).period("month").unwrap().0;
    let of_month = LOG.hour(month, 3) + &LOG.hour(month.plus(1), 4);
    for (name, lines) in [
        ("one", days(&[3, 4], -6, -1)),
        ("two", days(&[9], -6, -1)),
        ("late", days(&[13], -5, -4)),
        ("month", of_month),
        ("wrong", days(&[15], -3, -3)),
        ("mended", days(&[15, 16], -3, -3)),
        ("half", days(&[17], -3, -2)),
        ("more", days(&[19], -2, -1)),
    ] {
        sandbox.write(name, lines);
    }
    sandbox.write("definition", DEFAULT_DEFINITION);
    let more = "\n[[rollup]]\nname = \"models\"\ngrain = \"day\"\ndimensions = [\"model\"]\n\
                measures = [\"count(*) as calls\"]\n";
    sandbox.write("redefined", DEFAULT_DEFINITION.to_owned() + more);
    // This day is purged by then.
    let repaired = today.plus(-6);
    let act = |line: &str, changes_nothing| Act {
        args: line.split(' ').map(str::to_owned).collect(),
        changes_nothing,
        dies_at: None,
        waits_at: None,
        files_age: false,
        loses: None,
    };
    let dies = |line, dies_at| Act { dies_at: Some(dies_at), ..act(line, false) };
    vec![
        act("init definition", true),
        act("append one --batch one --format ndjson", false),
        act("append two --batch two --format ndjson", false),
        act("append month --batch month --format ndjson", false),
        act("rollup --compact", true),
        Act { files_age: true, ..act("rollup", true) },
        act("append late --batch late --format ndjson", false),
        act("rollup", true),
        Act { waits_at: Some("rewrite.intent"), ..act("compact", true) },
        act("gc --grace 0s --abandoned 0s", true),
        // A batch whose claim is given up, because the next append has corrected rows.
        dies("append wrong --batch mended --format ndjson", "append.claim"),
        act("append mended --batch mended --format ndjson", false),
        // A batch that is half appended when some of its rows are erased.
        dies("append half --batch half --format ndjson", "append.leaf"),
        act("purge --older-than 5d", true),
        act("erase --organization org-001", false),
        act("append half --batch half --format ndjson", false),
        act("init redefined --replace", true),
        act("append more --batch more --format ndjson", false),
        act("rollup", true),
        Act { loses: Some(repaired), ..act(&format!("repair {repaired} --yes"), false) },
        // A compaction that dies and leaves its files.
        dies("compact", "rewrite.data"),
        act("gc --grace 0s --abandoned 0s", true),
    ]
}

/// Runs the program with failpoints, if given.
fn run<S: AsRef<OsStr>>(place: &Place, args: &[S], fail_at: Option<&str>) -> Ran {
    let mut command = place.command(args);
    if let Some(fail_at) = fail_at {
        command.env("FAILPOINTS", fail_at);
    }
    crate::support::run(command, b"")
}

/// Runs the command twice at once: the first process waits at that failpoint until the second
/// process is done.
fn race(place: &Place, args: &[String], waits_at: &str, fail_at: Option<&str>) -> Ran {
    let waits = format!("{waits_at}=sleep({WAIT_MS})");
    let fail_at = fail_at.map_or(waits.clone(), |fail_at| format!("{waits};{fail_at}"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(place, args, Some(&fail_at)));
        std::thread::sleep(Duration::from_millis(WAIT_MS / 8));
        place.run(args).ok();
        first.join().unwrap()
    })
}

/// Makes all files of a root in a folder three days old.
fn age_files(place: &Place) {
    let then = std::time::SystemTime::now() - Duration::from_hours(72);
    for file in place.sandbox.files("") {
        fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
    }
}

fn lose_manifests(place: &Place, day: Day) {
    let folder = format!("raw/date={day}/_m/");
    if let Some(store) = &place.store {
        let keys = store.keys().into_iter().filter(|key| key.contains(&folder));
        keys.for_each(|key| store.remove(&key));
    } else {
        fs::remove_dir_all(place.sandbox.root().join(folder)).unwrap();
    }
}

fn report(place: &Place) -> String {
    place.run(&["query", REPORT, "--format", "csv"]).ok().out
}

/// Runs the script, in which a process dies at most once at that failpoint. Gives the number of
/// deaths, and the answer at the end.
fn live(today: Day, on_store: bool, dies_at: Option<&str>) -> (usize, String) {
    let place = Place::new(on_store);
    let (mut deaths, mut fail_at) = (0, dies_at);
    for (at, act) in script(&place.sandbox, today).iter().enumerate() {
        if let Some(dies_at) = act.dies_at {
            let ran = run(&place, &act.args, Some(&format!("{dies_at}=return")));
            assert_eq!(ran.code, -1, "{dies_at} {:?}\n{ran:?}", act.args);
            continue;
        }
        if act.files_age && !on_store {
            age_files(&place);
        }
        if let Some(day) = act.loses {
            lose_manifests(&place, day);
        }
        let before = (at > 0 && act.changes_nothing).then(|| report(&place));
        let ran = match act.waits_at {
            None => run(&place, &act.args, fail_at),
            Some(waits_at) => race(&place, &act.args, waits_at, fail_at),
        };
        if ran.code != 0 {
            let args = &act.args;
            assert_eq!(ran.code, -1, "{dies_at:?} {args:?}: not by a signal\n{ran:?}");
            (deaths, fail_at) = (deaths + 1, None);
            if act.changes_nothing && at > 0 {
                assert_eq!(Some(report(&place)), before, "{dies_at:?} {args:?}");
            }
            let again = place.run(args);
            assert_eq!(again.code, 0, "{dies_at:?} {args:?} again\n{again:?}");
        }
        if act.changes_nothing && at > 0 {
            assert_eq!(Some(report(&place)), before, "{dies_at:?} {:?}", act.args);
        }
    }
    place.run(&["rollup"]).ok();
    place.run(&["verify"]).ok();
    (deaths, report(&place))
}

#[test]
fn a_process_that_dies_at_any_step_loses_nothing() {
    let mut steps = steps();
    assert!(steps.len() >= 25, "{}: {steps:?}", steps.len());
    if let Ok(wanted) = std::env::var("TALLYBOOK_STEPS") {
        steps.retain(|step| wanted.split(',').any(|wanted| wanted == step));
    }
    let today = SystemClock.today();
    let on_store = std::env::var("TALLYBOOK_STEPS_ON").is_ok_and(|place| place == "store");
    let hits = number("TALLYBOOK_STEP_HITS");
    let hits = hits.map_or_else(|| vec![0], |hits| (0..=hits).collect());
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
    // Some failpoints are only reached on a local disk.
    if on_store {
        return;
    }
    let never: Vec<_> =
        deaths.iter().filter(|(_, died)| **died == 0).map(|(step, _)| *step).collect();
    assert_eq!(never, [""; 0], "no process ever came there");
}

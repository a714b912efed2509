//! Inputs and roots of `append`: files that are not what they seem, a closed standard input, and
//! every spelling of a folder.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Ran, Sandbox, program, run};

const ROW: &str = "{\"timestamp\":\"2026-01-24T09:30:00Z\",\"organization_id\":\"acme\"}\n";
const BAD: &str = "{\"organization_id\":\"acme\"}\n";
const COUNT: &str = "SELECT count(*) AS n FROM ai_usage_log";

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn count(sandbox: &Sandbox) -> String {
    sandbox.run(&["query", COUNT, "--format", "csv"]).ok().out.replace('\n', " ")
}

/// The names of the files in the sandbox's folder.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Runs a line of shell in the sandbox's folder. `$T` is the program.
fn shell(sandbox: &Sandbox, line: &str) -> Ran {
    let mut command = Command::new("sh");
    command.env("T", env!("CARGO_BIN_EXE_tallybook")).env("TALLYBOOK_ROOT", sandbox.root());
    command.current_dir(sandbox.path("")).args(["-c", line]);
    run(command, b"")
}

#[test]
fn bad_rows_are_never_written_over_an_input() {
    let sandbox = Sandbox::new();
    let rows = format!("{ROW}{BAD}");
    let input = sandbox.write("in.ndjson", &rows);
    symlink(&input, sandbox.path("link.ndjson")).unwrap();
    fs::hard_link(&input, sandbox.path("hard.ndjson")).unwrap();
    fs::create_dir(sandbox.path("sub")).unwrap();
    for line in [
        "append in.ndjson --rejects in.ndjson",
        "append in.ndjson --rejects ./sub/../in.ndjson",
        "append in.ndjson --rejects link.ndjson",
        "append in.ndjson --rejects hard.ndjson",
        "append link.ndjson --rejects in.ndjson",
        "append hard.ndjson --rejects link.ndjson --max-rejects 9",
        "append --rejects in.ndjson < in.ndjson",
        "append - --rejects link.ndjson < hard.ndjson",
        "append --rejects /dev/stdin < in.ndjson",
        "append in.ndjson --rejects /dev/stdout >> in.ndjson",
    ] {
        let ran = shell(&sandbox, &format!("$T {line}"));
        assert!(ran.failed(3, "give --rejects another file").err.contains("is an input"), "{line}");
        assert_eq!(text(&input), rows, "{line}");
        assert!(!sandbox.root().exists(), "{line}");
    }
    let map = "[map]\nmodel = \"m\"\n";
    let map_path = sandbox.write("map.toml", map);
    shell(&sandbox, "$T append in.ndjson --map map.toml --rejects map.toml")
        .failed(3, "over the field map");
    let definition = sandbox.write("d.toml", "");
    shell(&sandbox, "$T append in.ndjson --dataset d.toml --rejects d.toml")
        .failed(3, "over the definition");
    assert_eq!((text(&map_path), text(&definition)), (map.to_owned(), String::new()));
}

#[test]
fn older_bad_rows_stay_until_the_input_was_read() {
    let sandbox = Sandbox::new();
    let rejects = sandbox.write("bad.ndjson", "older\n");
    sandbox.write("in.ndjson", format!("{ROW}{BAD}"));
    sandbox.write("map.toml", "[map]\nwhat = \"x\"\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("{BAD}{}", ROW.repeat(50_000)).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    sandbox.write("cut.ndjson.gz", &gzip[..gzip.len() - 9]);
    fs::create_dir(sandbox.path("folder")).unwrap();
    let before = names(&sandbox);
    for (line, code) in [
        ("append in.ndjson --map map.toml", 3),
        ("append in.ndjson --map nowhere.toml", 4),
        ("append in.ndjson nowhere.ndjson", 4),
        ("append in.ndjson folder", 3),
        ("append in.ndjson cut.ndjson.gz --max-rejects 9", 5),
        ("append in.ndjson --dataset map.toml", 3),
        ("append in.ndjson --root http://host/x", 3),
    ] {
        let ran = shell(&sandbox, &format!("$T {line} --rejects bad.ndjson"));
        assert_eq!(ran.code, code, "{line}\n{ran:?}");
        assert_eq!(text(&rejects), "older\n", "{line}");
        let mut left = names(&sandbox);
        left.retain(|name| name != "root");
        assert_eq!(left, before, "{line}");
    }
    shell(&sandbox, "$T append in.ndjson --rejects bad.ndjson").failed(3, "1 row is bad");
    assert_eq!(text(&rejects), BAD, "too many bad rows are what the user needs");
    sandbox.write("good.ndjson", ROW);
    shell(&sandbox, "$T append good.ndjson --rejects bad.ndjson").ok();
    assert_eq!(text(&rejects), "");
    assert!(names(&sandbox).iter().all(|name| !name.starts_with('.')), "{:?}", names(&sandbox));
}

#[test]
fn bad_rows_go_where_links_lead_and_their_readers_stay_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("in.ndjson", BAD);
    let real = sandbox.write("real", "older\n");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real", sandbox.path("one")).unwrap();
    symlink("one", sandbox.path("two")).unwrap();
    symlink("new", sandbox.path("dangling")).unwrap();
    for rejects in ["two", "dangling"] {
        let line = format!("$T append in.ndjson --max-rejects 1 --rejects {rejects}");
        shell(&sandbox, &line).ok();
        assert!(sandbox.path(rejects).is_symlink());
        assert_eq!(text(&sandbox.path(rejects)), BAD);
    }
    assert_eq!(fs::metadata(real).unwrap().mode() & 0o777, 0o640);
    let into = |rejects: &str| shell(&sandbox, &format!("$T append in.ndjson --rejects {rejects}"));
    into("nowhere/bad").failed(4, "nowhere/bad");
    into("root").failed(3, "root: is a directory");
}

#[test]
fn bad_rows_go_to_pipes_and_open_files_as_they_come() {
    let sandbox = Sandbox::new();
    sandbox.write("in.ndjson", format!("{BAD}{ROW}"));
    let append = "$T append in.ndjson --max-rejects 1 --rejects";
    assert_eq!(shell(&sandbox, &format!("{append} /dev/stdout")).ok().out, BAD);
    assert_eq!(shell(&sandbox, &format!("{append} /dev/stdout | cat")).ok().out, BAD);
    assert_eq!(shell(&sandbox, &format!("{append} /dev/fd/3 3>&1")).ok().out, BAD);
    assert_eq!(shell(&sandbox, &format!("{append} /dev/null")).ok().out, "");
    let log = sandbox.write("log", "older\n");
    shell(&sandbox, &format!("{append} /dev/stdout >> log")).ok();
    assert_eq!(text(&log), format!("older\n{BAD}"), "the file is appended to, as it was opened");
    let inode = fs::metadata(&log).unwrap().ino();
    shell(&sandbox, &format!("{append} /dev/fd/3 3> log; echo more >> log")).ok();
    assert_eq!(text(&log), format!("{BAD}more\n"));
    assert_eq!(fs::metadata(&log).unwrap().ino(), inode);
    let piped = format!("mkfifo pipe; cat pipe & {append} pipe; wait");
    assert_eq!(shell(&sandbox, &piped).ok().out, BAD);
}

fn compressed(name: &str, content: &[u8]) -> Vec<u8> {
    match name.rsplit('.').next() {
        Some("gz") => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(content).unwrap();
            gzip.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(content, 1).unwrap(),
        _ => content.to_vec(),
    }
}

#[test]
fn a_csv_file_that_is_cut_is_told_from_a_whole_one() {
    let header = "timestamp,organization_id,input_tokens";
    let row = "2026-01-24T09:30:00Z,acme,100";
    let cut = "the file seems to be cut; if it is whole, add a newline";
    let quote = "has a quote that is not closed: the file seems to be cut";
    for (content, wrong) in [
        (format!("{header}\n{row}\n{row}\n"), None),
        (format!("{header}\r\n{row}\r\n"), None),
        (format!("{header}\n{row}\n\n"), None),
        (format!("{header}\n{row}\n{row}"), None),
        (format!("{header}\n{row}\n2026-01-24T09"), Some((3, "has 1 fields"))),
        (format!("{header}\n{row}\n{},\"1\"", &row[..25]), None),
        (format!("{header}\n{row}\n{},\"1", &row[..25]), Some((3, quote))),
        (format!("{header}\n{row}\n2026-01-24T09:30:00Z,\"ac\nme\n"), Some((3, quote))),
        (format!("{header}\r\n{row}\r\n\r\n{row}"), None),
        (header.to_owned(), Some((1, cut))),
        (format!("{header}\n"), None),
    ] {
        for name in ["rows.csv", "rows.csv.gz", "rows.csv.zst"] {
            let sandbox = Sandbox::new();
            sandbox.write(name, compressed(name, content.as_bytes()));
            let ran = sandbox.run(&["append", name]);
            let Some((line, reason)) = wrong else {
                // When a cut is inside the last field, the missing line end is the only sign of it.
                let warned = ran.ok().err.contains("no line end, the last of rows.csv");
                assert_eq!(warned, !content.ends_with('\n'), "{content:?}");
                continue;
            };
            let ran = ran.failed(3, reason);
            assert!(ran.err.contains(&format!("{name}:{line}: ")), "{content:?}\n{ran:?}");
            assert!(sandbox.files("raw").is_empty());
        }
    }
}

/// A record that is cut is a bad row like any other: it is counted and saved, and the good rows
/// before it count.
#[test]
fn the_record_that_is_cut_is_a_bad_row() {
    let sandbox = Sandbox::new();
    let header = "timestamp,organization_id,model\n";
    sandbox
        .write("in.csv", format!("{header}2026-01-24T09:30:00Z,a,m\n2026-01-24T09:30:00Z,b,\"m"));
    let ran = sandbox.run(&["append", "in.csv", "--max-rejects", "1", "--rejects", "bad.csv"]);
    assert!(ran.ok().err.contains("rejected in.csv:3: has a quote that is not closed"));
    assert_eq!(text(&sandbox.path("bad.csv")), format!("{header}2026-01-24T09:30:00Z,b,\"m\n"));
    assert_eq!(count(&sandbox), "n 1 ");
    // The same where the input is longer than a block.
    let rows = "2026-01-24T09:30:00Z,a,m\n".repeat(60_000);
    sandbox.write("in.csv", format!("{header}{rows}2026-01-24T09:30:00Z,b,m"));
    let ran = sandbox.run(&["append", "in.csv"]).ok();
    assert!(ran.err.contains("the file may be cut"), "{ran:?}");
}

#[test]
fn json_lines_need_no_last_line_end_and_compressed_files_no_less_than_all() {
    let sandbox = Sandbox::new();
    let whole = ROW.trim_end();
    sandbox.run_with(&["append"], whole.as_bytes()).ok();
    let cut = &whole[..whole.len() - 1];
    sandbox.run_with(&["append"], cut.as_bytes()).failed(3, "not a JSON object");
    let rows: String = (0..20_000).map(|n| ROW.replace("acme", &format!("o{n}"))).collect();
    let record = "2026-01-24T09:30:00Z,acme\n";
    let records: String = (0..20_000).map(|n| record.replace("acme", &format!("o{n}"))).collect();
    let records = format!("timestamp,organization_id\n{records}");
    for (name, content) in [
        ("in.ndjson.gz", &rows),
        ("in.ndjson.zst", &rows),
        ("in.csv.gz", &records),
        ("in.csv.zst", &records),
    ] {
        let content = compressed(name, content.as_bytes());
        for bytes in [0, 1, 4, 12, 1000, content.len() / 2, content.len() - 1] {
            sandbox.write(name, &content[..bytes]);
            let ran = sandbox.run(&["append", name, "--max-rejects", "100000"]);
            assert!(ran.code == 5 && ran.err.contains(name), "{name} {bytes}\n{ran:?}");
        }
    }
    assert_eq!(count(&sandbox), "n 1 ");
}

/// One read of a pipe may give a single byte.
#[test]
fn the_first_bytes_may_come_one_by_one() {
    let sandbox = Sandbox::new();
    for (batch, name) in [("a", "in.ndjson.gz"), ("b", "in.ndjson.zst"), ("c", "in.ndjson")] {
        sandbox.write("in", compressed(name, format!("\n{ROW}").as_bytes()));
        let slow = "(for n in 1 2 3 4; do dd bs=1 count=1 2>/dev/null; sleep 0.05; done; cat) < in";
        shell(&sandbox, &format!("{slow} | $T append --batch {batch}")).ok();
    }
    assert_eq!(count(&sandbox), "n 3 ");
}

#[test]
fn a_closed_standard_input_is_an_error() {
    let sandbox = Sandbox::new();
    for redirected in ["<&-", "0>out", "<>/dev/null"] {
        for file in ["", "- "] {
            let ran = shell(&sandbox, &format!("$T append {file}--batch x {redirected}"));
            ran.failed(3, "standard input is closed");
            assert!(!sandbox.root().exists(), "{redirected}");
        }
    }
    sandbox.write("in.ndjson", ROW);
    shell(&sandbox, "$T append in.ndjson --batch x <&-").ok();
}

#[test]
fn an_empty_input_is_fine_and_takes_no_batch_id() {
    let sandbox = Sandbox::new();
    let words = "the input held no rows: nothing was appended, and batch id x was not used up";
    let ran = shell(&sandbox, "$T append --batch x < /dev/null").ok();
    assert!(ran.err.contains(words), "{}", ran.err);
    let ran = shell(&sandbox, "printf '' | $T append").ok();
    assert!(ran.err.contains("held no rows") && !ran.err.contains("is random"), "{}", ran.err);
    sandbox.write("bad.ndjson", BAD);
    let ran = sandbox.run(&["append", "bad.ndjson", "--batch", "x", "--max-rejects", "1"]).ok();
    assert!(ran.err.contains("held no good rows (1 rejects)"), "{}", ran.err);
    assert!(sandbox.files("batches").is_empty());
    sandbox.run_with(&["append", "--batch", "x"], ROW.as_bytes()).ok();
    assert_eq!(count(&sandbox), "n 1 ");
    shell(&sandbox, "$T append --batch x < /dev/null").ok();
    assert_eq!(count(&sandbox), "n 1 ");
}

#[test]
fn a_url_with_a_slash_missing_is_no_folder() {
    let sandbox = Sandbox::new();
    let append = |root: &str| {
        let mut command = sandbox.command(&["append", "--root", root]);
        command.env_remove("TALLYBOOK_ROOT");
        run(command, ROW.as_bytes())
    };
    for (root, meant) in [
        ("s3:/bucket/x", "did you mean `s3://bucket/x`?"),
        ("S3:/bucket", "did you mean `s3://bucket`?"),
        ("s3:bucket", "did you mean `s3://bucket`?"),
        ("gs:/b", "did you mean `gs://b`?"),
        ("az:/b", "did you mean `az://b`?"),
        ("file:/x", "did you mean `file:///x`?"),
        ("s4:/b", "did you mean `s4://b`?"),
        ("http://host/x", "no store for `http://`"),
        ("", "empty path"),
    ] {
        append(root).failed(3, meant);
        assert!(names(&sandbox).is_empty(), "{root}");
    }
    append("./s3:/bucket/x").ok();
    assert!(sandbox.path("s3:/bucket/x/dataset.toml").exists());
}

#[test]
fn a_scheme_may_be_in_capitals() {
    let store = crate::support::fake_store::FakeStore::start();
    let at = |root: &str, args: &[&str], input: &str| {
        let mut command = program();
        command.envs(store.environment()).env("TALLYBOOK_CACHE", "").args(["--root", root]);
        command.args(args);
        run(command, input.as_bytes()).ok()
    };
    at("S3://bucket/r", &["append"], ROW);
    assert_eq!(at("s3://bucket/r", &["query", COUNT, "--format", "csv"], "").out, "n\n1\n");
}

/// Runs the program in the folder `place` on that root, and gives its output.
#[track_caller]
fn at(place: &Path, root: &str, args: &[&str], input: &str) -> String {
    let mut command = program();
    command.current_dir(place).args(["--root", root]).args(args);
    let ran = run(command, input.as_bytes());
    assert_eq!(ran.code, 0, "{root}\n{ran:?}");
    ran.out
}

/// Every spelling of a folder is the same root, whether the folder exists or not.
#[test]
fn a_folder_is_the_same_by_every_spelling() {
    let sandbox = Sandbox::new();
    let top = sandbox.path("").canonicalize().unwrap().join("top");
    let (work, root) = (top.join("work/deep"), top.join("root"));
    fs::create_dir_all(&work).unwrap();
    fs::create_dir_all(sandbox.path("far")).unwrap();
    symlink(&root, sandbox.path("link")).unwrap();
    symlink(&work, sandbox.path("far/work")).unwrap();
    at(&work, "../new/../../root/", &["append"], ROW);
    let full = root.display();
    let spellings = [
        (work.clone(), "../../root".to_owned()),
        (work.clone(), "../new/../../root/".to_owned()),
        (work.clone(), format!("{full}///")),
        (work.clone(), format!("{full}/raw/..")),
        (work.clone(), format!("{full}/./new/..")),
        (work.clone(), format!("file://{full}")),
        (root.clone(), ".".to_owned()),
        (root.join("raw"), "..".to_owned()),
        (root.join("raw"), "../".to_owned()),
        (top.clone(), "./root".to_owned()),
        (sandbox.path(""), "link".to_owned()),
        (sandbox.path(""), "link/".to_owned()),
        // The parent of a link is the parent of its target.
        (sandbox.path(""), "far/work/../../root".to_owned()),
    ];
    for (nth, (place, root)) in spellings.iter().enumerate() {
        at(place, root, &["append", "--batch", &nth.to_string()], ROW);
        let found = at(place, root, &["query", COUNT, "--format", "csv"], "");
        assert_eq!(found, format!("n\n{}\n", nth + 2), "{root}");
        if !root.starts_with("file:") {
            let listed = at(place, root, &["files"], "");
            assert!(listed.lines().all(|file| place.join(file).exists()), "{root}\n{listed}");
        }
    }
    let made = fs::read_dir(&top).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(made.count(), 2, "the root and the folder to work in");
}

#[test]
fn a_folder_may_have_any_name() {
    for name in ["a b", "100%", "%41", "a#b", "größe", "a?b", "a*b~[c]", "s3:x", ".hidden"] {
        let sandbox = Sandbox::new();
        let place = sandbox.path("");
        let (full, relative) = (sandbox.path(name), format!("./{name}"));
        let full = full.to_str().unwrap();
        at(&place, &relative, &["append", "--batch", "a"], ROW);
        at(&place, full, &["append", "--batch", "b"], ROW);
        at(&place, &relative, &["rollup"], "");
        at(&place, full, &["verify"], "");
        for root in [&relative, full] {
            assert_eq!(at(&place, root, &["query", COUNT, "--format", "csv"], ""), "n\n2\n");
        }
        assert_eq!(names(&sandbox), [name]);
        fs::create_dir(sandbox.path(&format!("{name}/in"))).unwrap();
        let inner = sandbox.path(&format!("{name}/in"));
        assert_eq!(at(&inner, "..", &["query", COUNT, "--format", "csv"], ""), "n\n2\n");
    }
}

#[test]
fn what_is_made_in_a_shared_root_is_shared_whatever_the_umask() {
    let modes = |root: u32, umask: &str| {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.root()).unwrap();
        fs::set_permissions(sandbox.root(), fs::Permissions::from_mode(root)).unwrap();
        sandbox.write("in.ndjson", ROW);
        let line = format!(
            "umask {umask}; $T append in.ndjson --batch x && $T rollup && $T compact && $T status"
        );
        shell(&sandbox, &line).ok();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for file in sandbox.files("") {
            let above = file.ancestors().skip(1);
            let above = above.take_while(|folder| *folder != sandbox.root());
            folders.extend(above.map(Path::to_owned));
            files.push(mode(file));
        }
        folders.push(sandbox.root().join(".staging"));
        let mut folders: Vec<_> = folders.into_iter().map(mode).collect();
        assert!(files.len() > 3, "{files:?}");
        folders.dedup();
        files.dedup();
        (folders, files)
    };
    for umask in ["022", "077", "002"] {
        assert_eq!(modes(0o2770, umask), (vec![0o2770], vec![0o660]), "{umask}");
        assert_eq!(modes(0o775, umask), (vec![0o775], vec![0o664]), "{umask}");
    }
    assert_eq!(modes(0o755, "022"), (vec![0o755], vec![0o644]));
    assert_eq!(modes(0o755, "077"), (vec![0o700], vec![0o600]));
}

/// A folder on a different file system than the sandbox's. When there is none, reports the test of
/// that name as skipped.
fn other_disk(test: &str, sandbox: &Sandbox) -> Option<tempfile::TempDir> {
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    let memory = Path::new("/dev/shm");
    if device(memory).is_none() || device(memory) == device(&sandbox.path("")) {
        eprintln!("SKIPPED: {test}: /dev/shm is not another file system");
        return None;
    }
    Some(tempfile::tempdir_in(memory).unwrap())
}

#[test]
fn raw_rows_may_be_on_another_disk() {
    let sandbox = Sandbox::new();
    let Some(disk) = other_disk("raw_rows_may_be_on_another_disk", &sandbox) else { return };
    fs::create_dir(sandbox.root()).unwrap();
    symlink(disk.path(), sandbox.root().join("raw")).unwrap();
    let append = |batch: &str| sandbox.run_with(&["append", "--batch", batch], ROW.as_bytes()).ok();
    append("a");
    let day = disk.path().join("date=2026-01-24");
    // A file that a writer leaves when it dies before it gives the file its name.
    let left = day.join(format!(".tallybook-unfinished-{:032x}", 1));
    fs::write(&left, "PAR1 and no more").unwrap();
    assert!(append("a").err.contains("nothing changed"));
    assert_eq!(count(&sandbox), "n 1 ");
    sandbox.run(&["rollup"]).ok();
    sandbox.run(&["verify"]).ok();
    sandbox.run(&["gc"]).ok();
    assert!(left.exists());
    append("b");
    assert!(!left.exists(), "the next writer deletes it");
    assert_eq!(count(&sandbox), "n 2 ");
    sandbox.run(&["compact"]).ok();
    let hidden = fs::read_dir(&day)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
    sandbox.run(&["verify"]).ok();
}

/// Several writers append one batch at once: each leaf is made once, and no writer uses another
/// writer's unfinished copy.
#[test]
fn writers_at_once_on_another_disk() {
    let sandbox = Sandbox::new();
    let Some(disk) = other_disk("writers_at_once_on_another_disk", &sandbox) else { return };
    sandbox.run(&["init"]).ok();
    symlink(disk.path(), sandbox.root().join("raw")).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let batch = format!("b{}", writer / 2);
                run(sandbox.command(&["append", "--batch", &batch]), ROW.as_bytes()).ok();
            });
        }
    });
    assert_eq!(count(&sandbox), "n 3 ");
}

/// A failed append leaves nothing, not even the folders of its root.
#[test]
fn a_failed_append_leaves_no_root_behind() {
    let sandbox = Sandbox::new();
    sandbox.write("in.ndjson", ROW);
    sandbox.write("bad.ndjson", BAD.repeat(3));
    sandbox.write("map.toml", "[map]\nwhat = \"x\"\n");
    sandbox.write("broken.toml", "[map\n");
    sandbox.write("dataset.toml", "name = \"log\"\n");
    sandbox.write("head.csv", "when,who\n1,2\n");
    sandbox.write("not.parquet", "PAR1 and no more");
    sandbox.write("cut.ndjson.gz", &compressed("in.gz", ROW.repeat(9).as_bytes())[..20]);
    fs::create_dir(sandbox.path("folder")).unwrap();
    let before = names(&sandbox);
    for (line, code) in [
        ("in.ndjson --map map.toml", 3),
        ("in.ndjson --map broken.toml", 3),
        ("in.ndjson --map nowhere.toml", 4),
        ("nowhere.ndjson", 4),
        ("in.ndjson nowhere.ndjson", 4),
        ("bad.ndjson", 3),
        ("bad.ndjson --max-rejects 2", 3),
        ("in.ndjson bad.ndjson --batch b", 3),
        ("in.ndjson --dataset dataset.toml", 3),
        ("in.ndjson --dataset nowhere.toml", 4),
        ("head.csv", 3),
        ("not.parquet", 5),
        ("cut.ndjson.gz", 5),
        ("folder", 3),
        ("in.ndjson --rejects nowhere/bad", 4),
        ("--batch b <&-", 3),
    ] {
        for root in ["new", "new/nested/root", "folder/../new/root"] {
            let ran = shell(&sandbox, &format!("$T --root {root} append {line}"));
            assert_eq!(ran.code, code, "{root} {line}\n{ran:?}");
            assert_eq!(names(&sandbox), before, "{root} {line}");
        }
    }
    // A folder that exists stays as it was.
    fs::create_dir(sandbox.path("empty")).unwrap();
    shell(&sandbox, "$T --root empty append bad.ndjson").failed(3, "3 rows are bad");
    assert_eq!(fs::read_dir(sandbox.path("empty")).unwrap().count(), 0);
    shell(&sandbox, "$T --root new/nested/root append in.ndjson").ok();
    assert!(sandbox.path("new/nested/root/dataset.toml").exists());
}

#[test]
fn bad_rows_are_never_written_into_the_root() {
    let small = crate::support::small::Small::new();
    small.append("one", &["2026-01-03"], &["a"], 1).ok();
    let before = small.sandbox.files("");
    let leaf = small.raw("2026-01-03", "L2-").remove(0);
    let new = leaf.with_file_name("new.parquet");
    for target in [leaf, new, small.sandbox.root().join("definitions/1.toml")] {
        let args = ["append", "--max-rejects", "9", "--rejects", target.to_str().unwrap()];
        small.sandbox.run_with(&args, b"{\"at\":\"x\"}\n").failed(3, "into the root");
    }
    assert_eq!(small.sandbox.files(""), before);
    small.run("verify").ok();
}

#[test]
fn bytes_that_are_no_text_are_bad_rows() {
    let small = crate::support::small::Small::new();
    small.append("x", &["2026-01-03"], &["a"], 1).ok();
    let file = |hex: &str| {
        let sql = format!("SELECT at, decode('{hex}', 'hex') AS who, v FROM log");
        let output =
            small.sandbox.command(&["query", &sql, "--format", "parquet"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        small.sandbox.write(&format!("{hex}.parquet"), output.stdout)
    };
    let text = file("6f6b");
    small.sandbox.run(&["append", "--batch", "ok", text.to_str().unwrap()]).ok();
    let no_text = file("fffe");
    small
        .sandbox
        .run(&["append", "--batch", "no", no_text.to_str().unwrap()])
        .failed(3, "who: not UTF-8");
    assert_eq!(small.counts("raw"), ["2026-01-03 a 1", "2026-01-03 ok 1"]);
}

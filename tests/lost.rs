//! Losses: a file that is lost leaves a trace, and `verify` and `status` report it. Rollups don't
//! count lost rows.

use std::{fs, path::Path};

use crate::support::{SMALL_LOG, small::Small};

const DAY: &str = "2026-01-03";

fn rolled() -> Small {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small.append("two", &[DAY], &["a"], 1).ok();
    small.run("rollup").ok();
    small
}

/// Deletes the leaf of batch `two`.
fn lose_two(small: &Small) {
    let leaves = small.raw(DAY, "L2-");
    fs::remove_file(leaves.iter().find(|file| is_of(file, "two")).unwrap()).unwrap();
}

/// Whether the file is a leaf of that batch. The batch's id is in the footer metadata, as plain
/// text.
fn is_of(file: &Path, batch: &str) -> bool {
    let content = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    content.contains(&format!("\"batch\":\"{batch}\""))
}

#[test]
fn a_void_in_the_place_of_a_lost_leaf_makes_no_rollup_current() {
    // Other rows under the same id are refused: the rollup proves that the batch was there.
    let small = rolled();
    lose_two(&small);
    small.append("two", &[DAY], &["c"], 5).failed(5, "is lost");
    assert_eq!(small.run("verify").code, 1);
    assert_eq!(small.counts("auto"), ["2026-01-03 a 1", "2026-01-03 b 1"]);
    // An erasure creates the void: it fences each leaf that is claimed and not there.
    let small = rolled();
    lose_two(&small);
    small.run("erase --where who=nobody").ok();
    let expected = ["2026-01-03 a 1", "2026-01-03 b 1"];
    assert_eq!(small.counts("raw"), expected);
    assert_eq!(small.counts("auto"), expected);
    let verify = small.run("verify");
    assert!(verify.code == 1 && verify.out.contains("append that batch again"), "{verify:?}");
    // The batch's rows can be appended again, and count once.
    small.append("two", &[DAY], &["a"], 1).ok();
    small.append("two", &[DAY], &["a"], 1).ok();
    let expected = ["2026-01-03 a 2", "2026-01-03 b 1"];
    assert_eq!(small.counts("raw"), expected);
    assert_eq!(small.counts("auto"), expected);
    small.run("rollup").ok();
    small.run("verify").ok();
    assert_eq!(small.counts("auto"), expected);
}

#[test]
fn a_purged_day_whose_folder_is_gone_is_told() {
    let small = rolled();
    small.append("other", &["2026-01-04"], &["a"], 1).ok();
    small.run("rollup").ok();
    small.run("purge --older-than 9d").ok();
    small.run("gc --grace 0s").ok();
    small.run("verify").ok();
    assert_eq!(small.counts("auto").len(), 3);
    fs::remove_dir_all(small.sandbox.root().join(format!("raw/date={DAY}"))).unwrap();
    assert_eq!(small.run("verify").code, 1);
    let status = small.run("status");
    assert!(status.code == 1 && status.out.contains("all of its raw files are gone"), "{status:?}");
    // The other day answers, and no job deletes the trace of the loss.
    assert_eq!(small.counts("auto"), ["2026-01-04 a 1"]);
    for line in ["rollup", "nightly", "gc --grace 0s"] {
        small.run(line).ok();
    }
    assert_eq!(small.run("verify").code, 1);
    for hint in small.sandbox.files("rollups") {
        if hint.to_str().unwrap().contains(&format!("date={DAY}")) {
            fs::remove_file(hint).unwrap();
        }
    }
    small.run("status").ok();
    small.run("verify").ok();
}

#[test]
fn claims_that_are_gone_are_told() {
    let small = rolled();
    fs::remove_dir_all(small.sandbox.root().join("batches")).unwrap();
    let verify = small.run("verify");
    assert_eq!(verify.code, 1);
    assert!(verify.out.contains("whose claim in `batches/` is gone"), "{verify:?}");
    // Appending the same rows again makes the claims anew, and the rows count once.
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small.append("two", &[DAY], &["a"], 1).ok();
    small.run("verify").ok();
    assert_eq!(small.counts("auto"), ["2026-01-03 a 2", "2026-01-03 b 1"]);
}

#[test]
fn a_newest_definition_that_is_gone_is_told() {
    let small = rolled();
    let more = SMALL_LOG.replace("\"count(*) as n\"", "\"count(*) as n\", \"max(v) as m\"");
    small.sandbox.write("more.toml", more);
    small.run("init more.toml --replace").ok();
    small.append("three", &[DAY], &["c"], 1).ok();
    small.run("rollup").ok();
    small.run("verify").ok();
    fs::remove_file(small.sandbox.root().join("definitions/2.toml")).unwrap();
    let verify = small.run("verify");
    assert_eq!(verify.code, 1);
    assert!(verify.out.contains("definitions/2.toml"), "{verify:?}");
}

#[test]
fn of_two_copies_of_a_lost_leaf_one_counts() {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    let leaf = small.raw(DAY, "L2-").remove(0);
    for name in ["x.parquet", "y.parquet", "z.parquet"] {
        fs::copy(&leaf, leaf.with_file_name(name)).unwrap();
    }
    fs::remove_file(leaf).unwrap();
    let expected = ["2026-01-03 a 1", "2026-01-03 b 1"];
    for line in ["rollup", "rollup --compact", "gc --grace 0s"] {
        assert_eq!(small.counts("auto"), expected, "before {line}");
        assert_eq!(small.counts("raw"), expected, "before {line}");
        small.run(line).ok();
    }
    assert_eq!(small.counts("auto"), expected);
}

#[test]
fn a_void_that_is_gone_is_told_and_no_rows_go_unseen() {
    let small = Small::new();
    small.append_and_die("append.claim", "half", &[DAY], &["a", "b"]);
    small.run("erase --where who=a").ok();
    let void = small.raw(DAY, "L2-").remove(0);
    small.append("other", &[DAY], &["c"], 1).ok();
    small.append("more", &[DAY], &["d"], 1).ok();
    small.run("rollup --compact").ok();
    small.run("verify").ok();
    fs::remove_file(void).unwrap();
    let verify = small.run("verify");
    assert!(verify.code == 1 && verify.out.contains("it was a void"), "{verify:?}");
    small.append("half", &[DAY], &["a", "b"], 1).failed(5, "it was a void");
    assert_eq!(small.counts("auto"), ["2026-01-03 c 1", "2026-01-03 d 1"]);
}

/// A rollup of the previous definition knew more of a purged day than the day's remains do. After
/// the purge, that rollup's segments no longer answer for the day, because an erasure couldn't
/// correct them.
#[test]
fn hints_of_an_earlier_definition_answer_for_no_purged_day() {
    let by_v = "\n[[rollup]]\nname = \"by_v\"\ngrain = \"day\"\ndimensions = [\"v\"]\n\
                measures = [\"count(*) as n\"]\n";
    let small = Small::of(&(SMALL_LOG.to_owned() + by_v));
    small.append("one", &[DAY], &["a"], 7).ok();
    small.run("rollup").ok();
    small.sandbox.write("plain.toml", SMALL_LOG);
    small.run("init plain.toml --replace").ok();
    small.run("purge --older-than 9d").ok();
    let sql = "SELECT v, count(*) AS n FROM log GROUP BY 1";
    let args = ["query", sql, "--set", "rollup.min_span=0"];
    small.sandbox.run(&args).failed(4, "were purged");
    small.run("gc --grace 0s").ok();
    assert_eq!(small.sandbox.files("rollups/by_v").len(), 0);
    assert_eq!(small.counts("auto"), ["2026-01-03 a 1"]);
}

/// A day that can't be read doesn't stop the erasure of other days.
#[test]
fn erasing_goes_on_beside_a_day_whose_manifest_is_gone() {
    let small = rolled();
    small.append("other", &["2026-01-04"], &["a", "b"], 1).ok();
    small.run("rollup").ok();
    small.run("purge --older-than 9d").ok();
    small.append("later", &["2026-02-04"], &["a", "b"], 1).ok();
    for manifest in small.raw(DAY, "2-").iter().filter(|file| file.ends_with("2-00000001.json")) {
        fs::remove_file(manifest).unwrap();
    }
    let ran = small.run("erase --where who=a");
    assert!([4, 5].contains(&ran.code) && ran.err.contains(DAY), "{ran:?}");
    let sql = "SELECT who, count(*) AS n FROM log WHERE date > '2026-01-03' GROUP BY 1";
    let args = ["query", sql, "--format", "csv"];
    assert_eq!(small.sandbox.run(&args).ok().out, "who,n\nb,2\n");
}

/// The jobs run night after night, and `verify` reports a lost leaf until its batch is appended
/// again.
#[test]
fn a_lost_leaf_is_told_until_it_is_there_again() {
    let small = rolled();
    lose_two(&small);
    let warned = small.ask("auto", "").ok();
    assert!(warned.err.contains("its rows are lost"), "{warned:?}");
    for line in ["rollup", "gc --grace 0s", "rollup --compact", "gc --grace 0s", "nightly"] {
        small.run(line).ok();
        let verify = small.run("verify");
        assert!(verify.code == 1 && verify.out.contains("append its batch again"), "{verify:?}");
    }
    small.append("two", &[DAY], &["a"], 1).ok();
    small.run("verify").ok();
    assert_eq!(small.counts("auto"), ["2026-01-03 a 2", "2026-01-03 b 1"]);
    small.run("rollup").ok();
    small.run("gc --grace 0s").ok();
    small.run("verify").ok();
}

/// A void took the name of a lost leaf. When the leaf is then restored from a backup, its rows
/// don't count.
#[test]
fn a_leaf_in_the_place_of_a_void_is_told() {
    let small = rolled();
    let leaf = small.raw(DAY, "L2-").into_iter().find(|file| is_of(file, "two")).unwrap();
    let content = fs::read(&leaf).unwrap();
    fs::remove_file(&leaf).unwrap();
    small.run("erase --where who=b").ok();
    fs::write(&leaf, content).unwrap();
    assert_eq!(small.counts("raw"), ["2026-01-03 a 1"]);
    let verify = small.run("verify");
    assert!(verify.code == 1 && verify.out.contains("a void was there"), "{verify:?}");
    small.append("two", &[DAY], &["a"], 1).failed(5, "under another id");
}

/// A query that excludes a damaged day is answered.
#[test]
fn a_damaged_day_is_read_by_nobody_who_excludes_it() {
    let small = rolled();
    small.append("other", &["2026-01-02", "2026-01-04"], &["a"], 1).ok();
    small.run("compact").ok();
    small.run("gc --grace 0s").ok();
    fs::remove_dir_all(small.sandbox.root().join(format!("raw/date={DAY}/_m"))).unwrap();
    for filter in [
        "date <> '2026-01-03'",
        "date IN ('2026-01-02', '2026-01-04')",
        "(date < '2026-01-03' OR date > '2026-01-03')",
        "NOT (date = '2026-01-03')",
    ] {
        for route in ["raw", "auto"] {
            let ran = small.ask(route, &format!("WHERE {filter}")).ok();
            assert_eq!(ran.out, "d,who,n\n2026-01-02,a,1\n2026-01-04,a,1\n", "{filter}");
        }
    }
    small.ask("raw", "WHERE date >= '2026-01-03'").failed(5, "2026-01-03 can't be read");
}

/// A process may not know a column of the program's own files. It then refuses to write such files
/// anew, so that the column isn't dropped.
#[test]
fn no_column_is_dropped_where_the_newest_definition_is_gone() {
    let small = Small::new();
    let column = "{ name = \"v\", type = \"integer\" },";
    let more =
        SMALL_LOG.replace(column, &format!("{column}\n{{ name = \"x\", type = \"text\" }},"));
    assert_ne!(more, SMALL_LOG);
    small.sandbox.write("more.toml", more);
    small.run("init more.toml --replace").ok();
    let row =
        |who: &str| format!("{{\"at\":\"{DAY}T05:00:00Z\",\"who\":\"{who}\",\"x\":\"kept\"}}\n");
    let args = ["append", "--format", "ndjson"];
    small.sandbox.run_with(&args, (row("a") + &row("b")).as_bytes()).ok();
    small.foreign(DAY, "spark.parquet", "SELECT at, who, v FROM log WHERE who = 'a'");
    let definition = small.sandbox.root().join("definitions/2.toml");
    let text = fs::read(&definition).unwrap();
    fs::remove_file(&definition).unwrap();
    small.run("erase --where who=b").failed(6, "has a column `x`");
    fs::write(&definition, text).unwrap();
    let sql = "SELECT who, count(x) AS n FROM log GROUP BY 1";
    let args = ["query", sql, "--format", "csv"];
    assert_eq!(small.sandbox.run(&args).ok().out, "who,n\na,1\nb,1\n");
}

/// A wrong checksum in a compressed input is damaged input, not an error of the disk.
#[test]
fn damaged_compression_is_told_as_such() {
    let small = Small::new();
    let line = format!("{{\"at\":\"{DAY}T05:00:00Z\",\"who\":\"a\"}}\n").repeat(100);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, line.as_bytes()).unwrap();
    let mut packed = packed.finish().unwrap();
    let sum = packed.len() - 8;
    packed[sum] ^= 1;
    let file = small.sandbox.write("wrong.ndjson.gz", packed);
    let file = file.to_str().unwrap().to_owned();
    let ran = small.sandbox.run(&["append", &file]);
    assert!(ran.code == 5 && ran.err.contains("can't be decompressed"), "{ran:?}");
    assert_eq!(small.raw(DAY, "L2-").len(), 0);
}

/// A day's segment is a hint: a month's segment that was built from it stays right without it.
#[test]
fn a_month_is_not_accused_when_a_day_of_it_has_no_segment() {
    let small = Small::new();
    small.append("one", &[DAY, "2026-01-04"], &["a"], 1).ok();
    small.run("rollup").ok();
    let then = std::time::SystemTime::now() - std::time::Duration::from_hours(72);
    for file in small.sandbox.files("") {
        fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
    }
    small.run("rollup").ok();
    let hints = small.sandbox.files("rollups");
    assert!(hints.iter().any(|hint| hint.to_str().unwrap().contains("month=2026-01")), "{hints:?}");
    let of_day = |hint: &&std::path::PathBuf| hint.to_str().unwrap().contains("date=2026-01-03");
    fs::remove_file(hints.iter().find(of_day).unwrap()).unwrap();
    small.run("verify").ok();
    assert_eq!(small.counts("auto"), ["2026-01-03 a 1", "2026-01-04 a 1"]);
}

/// The first leaf of a batch is published first. If another leaf is there without it, the first
/// leaf is lost, and a batch of other rows must not be added to the leaves that are there.
#[test]
fn other_rows_are_refused_beside_a_leaf_of_the_batch() {
    const DAYS: [&str; 2] = [DAY, "2026-01-04"];
    let small = Small::new();
    small.append("x", &DAYS, &["a"], 1).ok();
    fs::remove_file(small.raw(DAY, "L2-").first().unwrap()).unwrap();
    small.append("x", &DAYS, &["b"], 2).failed(6, "was appended with other rows");
    assert_eq!(small.counts("raw"), ["2026-01-04 a 1"]);
    // The batch's own rows complete it.
    small.append("x", &DAYS, &["a"], 1).ok();
    assert_eq!(small.counts("raw"), ["2026-01-03 a 1", "2026-01-04 a 1"]);
}

/// A merged file is the last copy of a day's rows. While rollups answer for the day, the jobs say
/// that the file is gone, and replace nothing by what is left.
#[test]
fn a_lost_merged_file_fails_every_job_and_no_other_day() {
    let small = rolled();
    small.append("other", &["2026-01-04"], &["a"], 1).ok();
    small.append("more", &["2026-01-04"], &["b"], 1).ok();
    small.run("rollup --compact").ok();
    small.run("gc --grace 0s --abandoned 0s").ok();
    let lost = small.raw(DAY, "C2-").remove(0);
    fs::remove_file(&lost).unwrap();
    let name = lost.file_name().unwrap().to_str().unwrap();
    let expected = small.counts("auto");
    for line in ["rollup", "nightly", "rollup --dry-run"] {
        let ran = small.run(line).failed(5, name);
        assert_eq!(ran.err.matches(name).count(), 1, "{line}: {ran:?}");
    }
    for line in ["status", "verify"] {
        let ran = small.run(line);
        assert!(ran.code == 1 && ran.out.contains(name), "{line}: {ran:?}");
    }
    small.append("late", &[DAY], &["c"], 1).ok();
    small.run("rollup").failed(5, name);
    let mut expected = expected;
    expected.insert(2, format!("{DAY} c 1"));
    assert_eq!(small.counts("auto"), expected);
}

/// The leaf of a batch is lost before a rollup was built from it. Only the claim knows the batch,
/// and an append that ended early leaves the same.
#[test]
fn a_batch_that_is_not_whole_is_told() {
    let small = Small::new();
    small.append("one", &[DAY], &["a"], 1).ok();
    small.append("two", &[DAY, "2026-01-04"], &["b"], 1).ok();
    let verify = small.run("verify").ok();
    assert_eq!(verify.err, "");
    fs::remove_file(small.raw("2026-01-04", "L2-").remove(0)).unwrap();
    let verify = small.run("verify").ok();
    assert!(verify.err.contains("rows of these batches are not there: `two`."), "{verify:?}");
    assert_eq!(small.run(&format!("verify --to {DAY}")).ok().err, "");
    small.append("two", &[DAY, "2026-01-04"], &["b"], 1).ok();
    assert_eq!(small.run("verify").ok().err, "");
    small.run("rollup --compact").ok();
    small.run("gc --grace 0s --abandoned 0s").ok();
    small.run("purge --older-than 9d").ok();
    small.run("gc --grace 0s --abandoned 0s").ok();
    small.run("erase --where who=a").ok();
    assert_eq!(small.run("verify").ok().err, "");
}

/// A day that was rolled up twice has segments of fewer leaves until `gc`. After a compaction, the
/// absorbed leaves are in the manifest alone.
#[test]
fn no_loss_is_told_where_nothing_is_lost() {
    let small = Small::new();
    for batch in ["one", "two", "three"] {
        small.append(batch, &[DAY, "2026-01-04"], &["a"], 1).ok();
        small.run("rollup").ok();
    }
    for line in ["rollup --compact", "purge --older-than 9d"] {
        small.run(line).ok();
        for line in ["status", "verify", "rollup", "nightly", "gc --dry-run"] {
            let ran = small.run(line).ok();
            assert!(!ran.err.contains("gone") && !ran.err.contains("warning"), "{line}: {ran:?}");
        }
        assert_eq!(small.counts("auto"), [format!("{DAY} a 3"), "2026-01-04 a 3".to_owned()]);
    }
}

/// When a file of a purged day's remains is lost, a hint may be the last copy of its rows.
#[test]
fn gc_keeps_the_hints_of_a_day_that_lost_its_remains() {
    let small = rolled();
    small.run("purge --older-than 9d").ok();
    small.run("gc --grace 0s").ok();
    let expected = small.counts("auto");
    for remains in small.raw(DAY, "P2-") {
        fs::remove_file(remains).unwrap();
    }
    let hints = small.sandbox.files("rollups");
    assert_eq!(small.counts("auto"), expected);
    let more = SMALL_LOG.replace("\"count(*) as n\"", "\"count(*) as n\", \"max(v) as m\"");
    small.sandbox.write("more.toml", more);
    small.run("init more.toml --replace").ok();
    for line in ["gc --grace 0s", "nightly"] {
        small.run(line).failed(5, "P2-");
        assert_eq!(small.sandbox.files("rollups"), hints, "{line}");
    }
}

/// Rows without a batch id have no claim. When the folder of their purged day is lost, the hints
/// alone show that there were rows.
#[test]
fn gc_keeps_the_hints_of_a_day_without_a_folder() {
    let small = Small::new();
    for day in [DAY, "2026-01-04"] {
        let row = format!("{{\"at\":\"{day}T05:00:00Z\",\"who\":\"a\",\"v\":1}}\n");
        small.sandbox.run_with(&["append"], row.as_bytes()).ok();
    }
    small.run("rollup").ok();
    small.run("purge --older-than 9d").ok();
    small.run("gc --grace 0s").ok();
    fs::remove_dir_all(small.sandbox.root().join(format!("raw/date={DAY}"))).unwrap();
    for _ in 0..2 {
        for line in ["status", "verify"] {
            let ran = small.run(line);
            assert!(ran.code == 1 && ran.out.contains(DAY), "{line}: {ran:?}");
        }
        small.run("gc --grace 0s").ok();
    }
}

/// An erasure voids the names of claimed leaves that aren't there. A void is no leaf, and the leaf
/// that follows it may be lost like any other.
#[test]
fn a_void_hides_no_loss() {
    let small = Small::new();
    small.append("other", &[DAY], &["c"], 1).ok();
    small.append_and_die("append.claim", "half", &[DAY], &["a", "b"]);
    let lacks = |small: &Small| {
        small.run("verify").ok().err.contains("rows of these batches are not there: `half`.")
    };
    assert!(lacks(&small));
    for who in ["x", "y"] {
        small.run(&format!("erase --where who={who}")).ok();
        assert!(lacks(&small), "a void is no leaf");
    }
    let before = small.raw(DAY, "L2-");
    small.append("half", &[DAY], &["a", "b"], 1).ok();
    assert!(!lacks(&small));
    small.run("rollup").ok();
    let leaf = small.raw(DAY, "L2-").into_iter().find(|leaf| !before.contains(leaf)).unwrap();
    fs::remove_file(leaf).unwrap();
    for line in ["verify", "nightly", "gc --grace 0s", "verify"] {
        let ran = small.run(line);
        assert_eq!(ran.code, i32::from(line == "verify"), "{line}: {ran:?}");
    }
}

#[test]
fn a_leaf_that_was_copied_into_another_day_counts_nothing() {
    let small = rolled();
    small.append("later", &["2026-01-04"], &["a"], 1).ok();
    let expected = small.counts("raw");
    let leaf = small.raw("2026-01-04", "L2-").remove(0);
    let day = small.sandbox.root().join(format!("raw/date={DAY}"));
    fs::copy(&leaf, day.join("other.parquet")).unwrap();
    for route in ["raw", "auto"] {
        assert_eq!(small.counts(route), expected);
    }
    small.run("rollup").ok();
    assert_eq!(small.counts("auto"), expected);
}

#[test]
fn a_lost_manifest_beside_its_tag_is_told_by_status() {
    let small = rolled();
    small.append("three", &["2026-01-04"], &["a"], 1).ok();
    small.run("rollup").ok();
    small.run("compact").ok();
    let manifests = small.raw(&format!("{DAY}/_m"), "2-");
    let manifest = manifests.iter().find(|file| file.extension().is_some_and(|it| it == "json"));
    let manifest = manifest.unwrap();
    let content = fs::read(manifest).unwrap();
    let told = |words: &str| {
        let status = small.run("status");
        assert!(status.code == 1 && status.out.contains(words), "{status:?}");
        assert_eq!(small.run("verify").code, 1);
        assert_eq!(small.counts("raw").len(), 3);
        // The other day is still worked on.
        small.run("rollup").ok();
    };
    fs::write(manifest, "").unwrap();
    told("2026-01-03: the day's newest manifest is gone or empty");
    fs::remove_file(manifest).unwrap();
    told("2026-01-03: the day's newest manifest is gone or empty");
    fs::write(manifest, content).unwrap();
    small.run("status").ok();
}

#[test]
fn a_copy_that_was_absorbed_counts_as_its_leaf() {
    let small = rolled();
    for leaf in small.raw(DAY, "L2-") {
        let name = leaf.file_name().unwrap().to_str().unwrap();
        fs::rename(&leaf, leaf.with_file_name(format!("part-{name}"))).unwrap();
    }
    assert_eq!(small.counts("raw"), ["2026-01-03 a 2", "2026-01-03 b 1"]);
    small.run("erase --where who=b").ok();
    // The batches are known, and the leaves may come back.
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small.append("two", &[DAY], &["a"], 1).ok();
    let copies = small.raw(DAY, "part-");
    for copy in &copies {
        let name = copy.file_name().unwrap().to_str().unwrap().trim_start_matches("part-");
        fs::copy(copy, copy.with_file_name(name)).unwrap();
    }
    small.run("rollup").ok();
    for route in ["raw", "auto"] {
        assert_eq!(small.counts(route), ["2026-01-03 a 2"], "{route}");
    }
    small.run("verify").ok();
    small.run("gc --grace 0s").ok();
    assert_eq!(small.counts("auto"), ["2026-01-03 a 2"]);
}

#[test]
fn a_leaf_restored_over_its_void_is_told() {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    let leaf = small.raw(DAY, "L2-").pop().unwrap();
    let content = fs::read(&leaf).unwrap();
    fs::remove_file(&leaf).unwrap();
    small.run("erase --where who=b").ok();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small.run("verify").ok();
    fs::write(&leaf, content).unwrap();
    let verify = small.run("verify");
    assert!(verify.code == 1 && verify.out.contains("before an erasure"), "{verify:?}");
}

#[test]
fn other_rows_under_the_id_of_a_lost_claim_are_told() {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    fs::remove_dir_all(small.sandbox.root().join("batches")).unwrap();
    assert_eq!(small.run("verify").code, 1);
    small.append("one", &[DAY], &["c"], 1).ok();
    let verify = small.run("verify");
    assert!(verify.code == 1 && verify.out.contains("its claim was lost"), "{verify:?}");
}

#[test]
fn a_lost_day_is_told_by_queries() {
    let small = rolled();
    small.append("three", &["2026-01-04"], &["a"], 1).ok();
    small.run("rollup").ok();
    let count = "SELECT count(*) AS n FROM log";
    assert!(!small.query("auto", count).ok().err.contains("warning"));
    fs::remove_dir_all(small.sandbox.root().join(format!("raw/date={DAY}"))).unwrap();
    let told = small.query("auto", count).ok();
    assert!(told.err.contains("2026-01-03: rollups were built of rows"), "{told:?}");
    assert_eq!(told.out, "n\n1\n");
    assert_eq!(small.run("status").code, 1);
}

#[test]
fn no_loss_is_told_of_a_file_that_its_owner_touched() {
    let small = rolled();
    let sql = "SELECT at, 'c' AS who, v FROM log LIMIT 1";
    let file = small.foreign(DAY, "f.parquet", sql);
    small.run("rollup").ok();
    let content = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, content).unwrap();
    small.run("erase --where who=b").ok();
    let ran = small.run("rollup").ok();
    assert!(!ran.err.contains("gone"), "{ran:?}");
    small.run("verify").ok();
}

#[test]
fn sketches_of_few_values_are_the_same_in_every_order() {
    let definition =
        SMALL_LOG.replace("\"count(*) as n\"", "\"count(*) as n\", \"approx_distinct(v) as d\"");
    let small = Small::of(&definition);
    for batch in 0..6 {
        small.append(&format!("b{batch}"), &[DAY], &["a", "b"], 7 * batch % 5).ok();
    }
    small.run("rollup").ok();
    for _ in 0..5 {
        small.run("verify").ok();
    }
}

/// A file that another user made, or that is on a bad part of a disk.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_stops_no_other_day() {
    use std::os::unix::process::CommandExt as _;
    let small = rolled();
    small.append("three", &["2026-01-04"], &["a"], 1).ok();
    let file = small.raw(DAY, "L2-").pop().unwrap();
    // The superuser reads all files, so the program runs as another user then.
    set_mode(&file, 0);
    let is_superuser = fs::read(&file).is_ok();
    let run = |args: &[&str]| {
        let mut command = small.sandbox.command(args);
        if is_superuser {
            open_to_all(small.sandbox.root().parent().unwrap());
            set_mode(&file, 0);
            command.uid(65534);
        }
        crate::support::run(command, b"")
    };
    run(&["rollup"]).ok();
    let of_day = |day: &str| {
        let sql = format!("SELECT count(*) AS n FROM log WHERE date = '{day}'");
        run(&["query", &sql, "--format", "csv", "--route", "raw"])
    };
    assert_eq!(of_day("2026-01-04").ok().out, "n\n1\n");
    of_day(DAY).failed(5, "ermission denied");
    let verify = run(&["verify"]);
    assert!(verify.code == 1 && verify.out.contains("ermission denied"), "{verify:?}");
    // The other day is compacted.
    small.append("four", &["2026-01-04"], &["b"], 1).ok();
    run(&["rollup"]).ok();
    let compact = run(&["compact"]).failed(5, "ermission denied");
    assert!(compact.out.contains("2026-01-04"), "{compact:?}");
}

/// Lets all users read and write everything below the folder.
#[cfg(unix)]
fn open_to_all(folder: &Path) {
    set_mode(folder, 0o777);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            open_to_all(&path);
        } else {
            set_mode(&path, 0o666);
        }
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

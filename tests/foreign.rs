//! Files that other tools put into a day's folder.

use std::fs;

use crate::support::small::Small;

const DAY: &str = "2026-01-03";

fn one() -> Small {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small
}

#[test]
fn a_copy_of_our_own_file_counts_nothing() {
    let small = one();
    let leaf = small.raw(DAY, "L2-").remove(0);
    let name = |name: &str| leaf.with_file_name(name);
    fs::copy(&leaf, name("copy.parquet")).unwrap();
    fs::copy(&leaf, name("L2-backup.parquet")).unwrap();
    for line in ["rollup", "rollup --compact", "gc --grace 0s", "purge --older-than 9d"] {
        assert_eq!(small.counts("auto"), ["2026-01-03 a 1", "2026-01-03 b 1"], "before {line}");
        let ran = small.run(line).ok();
        assert!(ran.err.contains("is a copy") || line == "gc", "{ran:?}");
    }
    assert_eq!(small.counts("auto"), ["2026-01-03 a 1", "2026-01-03 b 1"]);
    // Also a copy of a file of merged rows.
    let small = one();
    small.append("two", &[DAY], &["a"], 1).ok();
    small.run("rollup --compact").ok();
    let merged = small.raw(DAY, "C2-").remove(0);
    fs::copy(&merged, merged.with_file_name("copy.parquet")).unwrap();
    assert_eq!(small.counts("raw"), ["2026-01-03 a 2", "2026-01-03 b 1"]);
}

#[test]
fn columns_that_would_be_rounded_are_refused_by_name() {
    let small = one();
    small.append("other", &["2026-01-04"], &["a"], 1).ok();
    let file =
        small.foreign(DAY, "spark.parquet", "SELECT at, who, CAST(v AS DOUBLE) / 2 AS v FROM log");
    small.ask("raw", "WHERE v > 0").failed(3, "spark.parquet");
    small.ask("raw", "WHERE v > 0").failed(3, "`v` is Float64");
    // The file doesn't stop the other days.
    let rollup = small.run("rollup");
    assert!(rollup.code == 3 && rollup.err.contains("spark.parquet"), "{rollup:?}");
    small.ask("rollup", "WHERE date = '2026-01-04'").ok();
    fs::remove_file(file).unwrap();
    small.run("rollup").ok();
    small.foreign(DAY, "short.parquet", "SELECT at, v FROM log");
    small.ask("raw", "").failed(3, "has no column `who`");
}

#[test]
fn on_a_purged_day_one_is_a_late_leaf() {
    let small = one();
    small.run("rollup").ok();
    small.append("other", &["2026-01-04"], &["a", "b"], 1).ok();
    small.run("purge --older-than 9d").ok();
    // Another tool's file with a row of the purged day.
    let rows = "SELECT TIMESTAMP '2026-01-03T09:00:00Z' AS at, 'a' AS who, 7 AS v";
    let file = small.foreign(DAY, "spark.parquet", rows);
    let expected = ["2026-01-03 a 2", "2026-01-03 b 1", "2026-01-04 a 1", "2026-01-04 b 1"];
    assert_eq!(small.counts("auto"), expected);
    for line in ["rollup", "nightly", "purge --older-than 9d", "nightly"] {
        small.run(line).ok();
        assert_eq!(small.counts("auto"), expected, "after {line}");
    }
    // An erasure also finds rows of a file that a purge absorbed before.
    let ran = small.run("erase --where who=a").ok();
    assert_eq!(small.counts("auto"), ["2026-01-03 b 1", "2026-01-04 b 1"], "{ran:?}");
    assert!(ran.err.contains("spark.parquet is not of this program's making"), "{ran:?}");
    // When the owner writes the file anew, its new rows count, and a warning names the file.
    fs::remove_file(&file).unwrap();
    let rows = rows.replace("'a' AS who, 7", "'b' AS who, 70000000000");
    small.foreign(DAY, "spark.parquet", &rows);
    let ran = small.ask("auto", "").ok();
    assert!(ran.out.contains("2026-01-03,b,2"), "{ran:?}");
    assert!(ran.err.contains("wrote it anew"), "{ran:?}");
}

#[test]
fn bytes_are_no_text_and_rows_of_other_days_are_never_taken_in() {
    let small = one();
    let sql = "SELECT at, CAST(who AS BYTEA) AS who, v FROM log";
    let file = small.foreign(DAY, "bytes.parquet", sql);
    small.ask("raw", "").failed(3, "`who` is Binary");
    assert_eq!(small.run("purge --older-than 9d").code, 3);
    assert_eq!(small.raw(DAY, "P2-").len(), 0, "nothing was purged");
    fs::remove_file(file).unwrap();
    let sql = "SELECT at + INTERVAL '1' DAY AS at, who, v FROM log";
    let file = small.foreign(DAY, "wrong.parquet", sql);
    let before = small.sandbox.files("raw");
    small.run("erase --where who=a").failed(5, "holds a row of 2026-01-04");
    assert_eq!(small.sandbox.files("raw"), before, "nothing was written");
    fs::remove_file(file).unwrap();
    small.run("erase --where who=a").ok();
    small.run("rollup").ok();
    small.run("verify").ok();
    assert_eq!(small.counts("auto"), ["2026-01-03 b 1"]);
}

#[test]
fn a_void_is_no_original_of_a_copy() {
    let small = one();
    let leaf = small.raw(DAY, "L2-").remove(0);
    fs::rename(&leaf, leaf.with_file_name("renamed.parquet")).unwrap();
    let expected = small.counts("auto");
    assert_eq!(expected.len(), 2);
    // The erasure creates a void at the leaf's name.
    small.run("erase --where who=nobody").ok();
    assert_eq!(small.raw(DAY, "L2-").len(), 1);
    assert_eq!(small.counts("auto"), expected);
    small.run("rollup").ok();
    assert_eq!(small.counts("auto"), expected);
}

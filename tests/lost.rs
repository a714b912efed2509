//! What is lost of a root leaves a trace, which `verify` and `status` tell of; and no rollup goes on
//! counting rows that are lost.

use std::fs;

use crate::support::{SMALL_LOG, small::Small};

const DAY: &str = "2026-01-03";

fn rolled() -> Small {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small.append("two", &[DAY], &["a"], 1).ok();
    small.run("rollup").ok();
    small
}

/// The leaf of batch `two`: the one of fewer rows.
fn lose_two(small: &Small) {
    let leaves = small.raw(DAY, "L2-");
    let of_two = |file: &&std::path::PathBuf| {
        // The batch's id is in the file's account, which is plain text.
        let content = fs::read(file).unwrap();
        content.windows(13).any(|found| found == br#""batch":"two""#)
    };
    fs::remove_file(leaves.iter().find(of_two).unwrap()).unwrap();
}

#[test]
fn a_void_in_the_place_of_a_lost_leaf_makes_no_rollup_current() {
    // By other rows under the same id, which give the claim up.
    let small = rolled();
    lose_two(&small);
    let ran = small.append("two", &[DAY], &["c"], 5).ok();
    assert!(ran.err.contains("which is lost"), "{ran:?}");
    let expected = ["2026-01-03 a 1", "2026-01-03 b 1", "2026-01-03 c 1"];
    assert_eq!(small.counts("raw"), expected);
    assert_eq!(small.counts("auto"), expected);
    small.run("rollup").ok();
    assert_eq!(small.counts("auto"), expected);
    // By an erasure, which fences what is claimed and not there.
    let small = rolled();
    lose_two(&small);
    small.run("erase --where who=nobody").ok();
    let expected = ["2026-01-03 a 1", "2026-01-03 b 1"];
    assert_eq!(small.counts("raw"), expected);
    assert_eq!(small.counts("auto"), expected);
    // Its rows may come again, once.
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
    assert!(status.code == 1 && status.out.contains("its folder is gone"), "{status:?}");
    // The other day answers; gc ends it, when it is asked to.
    assert_eq!(small.counts("auto"), ["2026-01-04 a 1"]);
    small.run("gc --grace 0s").ok();
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
    // The same rows again make it anew, and count once.
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

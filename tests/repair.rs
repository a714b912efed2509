//! `repair`: a lost or damaged manifest is written anew, if the footers of the day's files
//! determine its content.

use std::fs;

use crate::support::small::{Small, flip};

const DAY: &str = "2026-01-03";

/// A root with a day of two merged leaves and a late leaf beside, and the day's counts.
fn merged() -> (Small, Vec<String>) {
    let small = Small::new();
    small.append("one", &[DAY], &["a", "b"], 1).ok();
    small.append("two", &[DAY], &["a", "c"], 2).ok();
    small.run("rollup --compact").ok();
    small.append("late", &[DAY], &["b"], 3).ok();
    let expected = small.counts("auto");
    assert_eq!(expected, ["2026-01-03 a 2", "2026-01-03 b 2", "2026-01-03 c 1"]);
    (small, expected)
}

fn manifests(small: &Small) -> std::path::PathBuf {
    small.sandbox.root().join(format!("raw/date={DAY}/_m"))
}

#[test]
fn a_folder_of_manifests_that_a_copy_left_out() {
    for (prepare, collected) in
        [(None, false), (None, true), (Some("purge --older-than 9d"), false)]
    {
        let (small, expected) = merged();
        if let Some(line) = prepare {
            small.run(line).ok();
        }
        if collected {
            small.run("gc --grace 0s").ok();
        }
        fs::remove_dir_all(manifests(&small)).unwrap();
        small.ask("auto", "").failed(5, "repair 2026-01-03");
        assert_eq!(small.run("status").code, 1);
        let before = small.sandbox.files("raw");
        // Without a terminal, `repair` can't ask for a confirmation, and does nothing.
        let asked = small.run("repair 2026-01-03");
        assert!(asked.code == 1 && asked.out.contains("are whole"), "{asked:?}");
        assert_eq!(small.sandbox.files("raw"), before);
        small.run("repair 2026-01-03 --yes").ok();
        assert_eq!(small.counts("auto"), expected, "{prepare:?} {collected}");
        small.run("rollup").ok();
        small.run("verify").ok();
        small.run("gc --grace 0s --abandoned 0s").ok();
        assert_eq!(small.counts("auto"), expected);
        let again = small.run("repair 2026-01-03 --yes").ok();
        assert!(again.out.contains("needs no repair"), "{again:?}");
    }
}

#[test]
fn a_manifest_that_its_tag_hides() {
    for lost in [false, true] {
        let small = Small::new();
        small.append("one", &[DAY], &["a", "b"], 1).ok();
        small.append("two", &[DAY], &["a", "c"], 2).ok();
        small.run("rollup --compact").ok();
        small.run("gc --grace 0s").ok();
        let expected = small.counts("raw");
        // Also for manifests that a repair wrote.
        for generation in 1..4 {
            let manifest = manifests(&small).join(format!("2-{generation:08}.json"));
            if lost {
                fs::remove_file(&manifest).unwrap();
            } else {
                flip(&manifest);
            }
            if generation == 1 {
                assert_eq!(small.counts("raw"), expected, "the tag answers");
            } else {
                // A manifest of a repair names files of a previous generation, so the day can't be
                // read by the tag alone.
                small.ask("raw", "").failed(5, "_m/2-");
            }
            assert_eq!(small.run("verify").code, 1);
            small.append("one", &[DAY], &["a", "b"], 1).failed(7, "repair");
            small.run("repair 2026-01-03 --yes").ok();
            small.run("verify").ok();
            small.append("one", &[DAY], &["a", "b"], 1).ok();
            assert_eq!(small.counts("raw"), expected);
            small.run("rollup").ok();
            if lost {
                break;
            }
        }
    }
}

#[test]
fn what_files_do_not_tell_is_refused_and_nothing_changes() {
    let refused = |change: &dyn Fn(&Small), code: i32, words: &str| {
        let (small, _) = merged();
        change(&small);
        let before = small.sandbox.files("raw");
        small.run("repair 2026-01-03 --yes").failed(code, words);
        assert_eq!(small.sandbox.files("raw"), before, "{words}");
    };
    let lose = |small: &Small| fs::remove_dir_all(manifests(small)).unwrap();
    refused(
        &|small| {
            lose(small);
            flip(&small.raw(DAY, "C2-")[0]);
        },
        5,
        "missing or damaged",
    );
    refused(
        &|small| {
            let file = small.raw(DAY, "C2-").remove(0);
            fs::remove_file(&file).unwrap();
        },
        5,
        "is gone",
    );
    refused(
        &|small| fs::write(manifests(small).join("3-00000002.json"), "newer").unwrap(),
        3,
        "newer",
    );
    refused(
        &|small| fs::remove_dir_all(small.sandbox.root().join("raw")).unwrap(),
        4,
        "no raw files",
    );
}

#[test]
fn a_manifest_that_closed_a_generation() {
    let (small, expected) = merged();
    let intent = "2-00000002-0123456789abcdef.intent";
    fs::write(manifests(&small).join(intent), "").unwrap();
    small.run("gc --grace 0s --abandoned 0s").ok();
    let closing = manifests(&small).join("2-00000002.json");
    assert!(closing.exists());
    flip(&closing);
    small.ask("auto", "").failed(5, "2-00000002.json");
    small.run("repair 2026-01-03 --yes").ok();
    assert_eq!(small.counts("auto"), expected);
    small.run("verify").ok();
}

//! Rows of long texts: limits on bytes apply where limits on rows are not enough.

use crate::support::{run, small::Small};

const DAY: &str = "2026-01-03";

/// A small file with large rows: it stores each text of 100 kB once.
#[test]
fn a_small_file_of_large_rows_becomes_parts_of_bounded_size() {
    let small = Small::new();
    small.append("seed", &[DAY], &["a"], 1).ok();
    let rows = 1_500;
    let sql = format!(
        "SELECT l.at, l.who, CAST(n.value AS BIGINT) AS v FROM (SELECT at, repeat(who || 'b', 50000) \
         AS who FROM log) l, generate_series(1, {rows}) n"
    );
    let mut command = small.sandbox.command(&["query", &sql, "--format", "parquet"]);
    let file = command.output().unwrap();
    assert!(file.status.success(), "{file:?}");
    assert!(file.stdout.len() < 10 << 20, "{} bytes are small", file.stdout.len());
    let wide = small.sandbox.write("wide.parquet", file.stdout);
    let ran = small.sandbox.run(&["append", "--batch", "wide", wide.to_str().unwrap()]).ok();
    // 150 MB of texts need two parts of at most 128 MiB.
    assert!(ran.err.contains("in 2 leaves") || ran.out.contains("in 2 leaves"), "{ran:?}");
    small.run("rollup --compact").ok();
    small.run("verify").ok();
    for route in ["raw", "auto"] {
        let sql = "SELECT count(*) AS n, sum(v) AS v, max(length(who)) AS l FROM log";
        let args = ["query", sql, "--format", "csv", "--route", route];
        let expected = format!("n,v,l\n{},{},100000\n", rows + 1, rows * (rows + 1) / 2 + 1);
        assert_eq!(small.sandbox.run(&args).ok().out, expected, "{route}");
    }
    // A retry is recognized, however its rows are cut into parts.
    let again = small.sandbox.command(&["append", "--batch", "wide", wide.to_str().unwrap()]);
    let again = run(again, b"").ok();
    assert!(format!("{again:?}").contains("was appended before"), "{again:?}");
}

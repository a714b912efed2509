#!/usr/bin/env python3
"""Tallybook, DuckDB and ClickHouse (chDB) over the same files, side by side.

    pip install duckdb chdb
    cargo build --release && cargo bench --bench peers --no-run
    python3 benches/peers/compare.py S        # or M, L

Makes the data once (seeded; 100,000 rows a day, so that a size is a number of days), appends it and
rolls it up with the command line, then asks each question of every engine in turn, round after round.
Answers must be equal before anything is timed. Prints medians as a Markdown table.
"""

import argparse
import csv
import decimal
import glob
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import chdb.session
import duckdb

DAYS = {"S": 37, "M": 365, "L": 3650}
ROWS_A_DAY = 100_000
ORGANIZATIONS = 2_000
LAST = date(2025, 12, 31)
HERE = Path(__file__).resolve().parents[2]

# u is uniform in [0, 1) and the same for the same row in any run.
DAY_SQL = """
COPY (
  WITH r AS (SELECT i, [hash(i, {day}, {seed}, k) / 18446744073709551616.0 FOR k IN range(9)] AS u
             FROM range({rows}) t(i))
  SELECT
    TIMESTAMPTZ '{date} 00:00:00+00' + to_microseconds(CAST(floor(u[1] * 86400e6) AS BIGINT)) AS timestamp,
    printf('req-%d-%d', {day}, i) AS request_id,
    printf('org-%04d', CAST(floor({organizations} * u[2] * u[2]) AS INT)) AS organization_id,
    printf('user-%05d', CAST(floor(20000 * u[3]) AS INT)) AS user_id,
    ['chat', 'embed', 'summarize', 'extract'][1 + CAST(floor(4 * u[4] * u[4]) AS INT)] AS operation,
    ['anthropic', 'openai', 'google'][1 + CAST(floor(3 * u[5]) AS INT)] AS provider,
    ['claude-sonnet-4-5', 'gpt-5', 'gemini-3-pro', 'claude-haiku-4-5', 'gpt-5-mini']
      [1 + CAST(floor(5 * u[6]) AS INT)] AS model,
    CASE WHEN u[7] < 0.97 THEN 'ok' ELSE 'error' END AS status,
    CAST(50 + floor(8000 * u[8]) AS BIGINT) AS input_tokens,
    CAST(floor((50 + floor(8000 * u[8])) * u[9]) AS BIGINT) AS cached_tokens,
    CAST(10 + floor(1500 * u[5] * u[7]) AS BIGINT) AS output_tokens,
    CAST(floor(1e9 * u[8] * u[6]) / 1e10 AS DECIMAL(18, 12)) AS cost,
    CAST(100 + floor(9000 * u[1] * u[9]) AS BIGINT) AS latency_ms
  FROM r
) TO '{file}' (FORMAT parquet)
"""


def questions(first):
    month, year = LAST - timedelta(days=29), max(first, LAST - timedelta(days=364))
    sums = "sum({cost}) AS cost, {calls} AS calls, sum({input}) AS tokens"
    return {
        "30 days of one organization": (sums, "", f"organization_id = 'org-0042'", month, ""),
        "a year of one organization": (sums, "", f"organization_id = 'org-0042'", year, ""),
        "a year of the platform by day": (sums, "{date} AS day, ", "", year, " GROUP BY 1 ORDER BY 1"),
        "top ten organizations of a year": (
            sums, "organization_id, ", "", year, " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"),
    }


def sql(question, table, words, between):
    sums, group, where, since, tail = question
    condition = " AND ".join(filter(None, [where, between.format(since=since, last=LAST)]))
    return f"SELECT {group.format(**words)}{sums.format(**words)} FROM {table} WHERE {condition}{tail}"


RAW = {"cost": "cost", "calls": "count(*)", "input": "input_tokens", "date": "date"}
ROLLED = {"cost": "cost_sum", "calls": "sum(calls)", "input": "input_tokens_sum", "date": "date"}
DAYS_BETWEEN = "date BETWEEN '{since}' AND '{last}'"


def make(root, size, seed, tallybook):
    """The data, unless it is there; gives what each step took, in seconds."""
    done = root / f"made-{size}-{seed}"
    if done.exists():
        return json.loads(done.read_text())
    took = {"append": 0.0}
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for at in range(DAYS[size]):
        day = LAST - timedelta(days=at)
        file = root / "day.parquet"
        con.execute(DAY_SQL.format(day=at, seed=seed, rows=ROWS_A_DAY, date=day, file=file,
                                   organizations=ORGANIZATIONS))
        start = time.perf_counter()
        run = [tallybook, "--root", root / "book", "append", file, "--batch", f"day-{day}"]
        subprocess.run(run, check=True, capture_output=True)
        took["append"] += time.perf_counter() - start
        file.unlink()
    start = time.perf_counter()
    subprocess.run([tallybook, "--root", root / "book", "rollup"], check=True, capture_output=True)
    took["rollup"] = time.perf_counter() - start
    done.write_text(json.dumps(took))
    return took


class Tallybook:
    def __init__(self, root, ask):
        env = {**os.environ, "TALLYBOOK_PEERS_ROOT": str(root / "book")}
        self.process = subprocess.Popen([ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=env)

    def ask(self, question):
        self.process.stdin.write(sql(question, "ai_usage_log", RAW, DAYS_BETWEEN) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.stats = answer["stats"]
        return answer["ms"], list(csv.reader(io.StringIO(answer["csv"])))[1:]

    def peak(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024


class DuckDb:
    def __init__(self, table, words):
        self.table, self.words = table, words
        self.con = duckdb.connect()

    def ask(self, question):
        text = sql(question, self.table, self.words, DAYS_BETWEEN)
        start = time.perf_counter()
        rows = self.con.execute(text).fetchall()
        return (time.perf_counter() - start) * 1e3, [[str(value) for value in row] for row in rows]


class ClickHouse:
    def __init__(self, table):
        self.table = table
        self.session = chdb.session.Session()

    def ask(self, question):
        words = {**RAW, "date": "toDate(timestamp, 'UTC')"}
        between = ("timestamp >= toDateTime64('{since} 00:00:00', 6, 'UTC') AND "
                   "timestamp <= toDateTime64('{last} 23:59:59.999999', 6, 'UTC')")
        text = sql(question, self.table, words, between)
        start = time.perf_counter()
        rows = self.session.query(text, "CSV")
        return (time.perf_counter() - start) * 1e3, list(csv.reader(io.StringIO(str(rows))))


def same(rows):
    """Rows without the ways to write one number."""
    def plain(value):
        try:
            return decimal.Decimal(value).normalize()
        except decimal.InvalidOperation:
            return value
    return [[plain(value) for value in row] for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("size", choices=DAYS)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "tallybook-peers")
    options = parser.parse_args()
    root = options.data / options.size
    root.mkdir(parents=True, exist_ok=True)
    builds = sorted(glob.glob(str(HERE / "target/release/deps/peers-*")), key=os.path.getmtime)
    builds = [build for build in builds if not build.endswith(".d")]
    if not builds:
        sys.exit("first: cargo build --release && cargo bench --bench peers --no-run")
    took = make(root, options.size, options.seed, HERE / "target/release/tallybook")

    raw = f"{root}/book/raw/*/*.parquet"
    rolled = f"{root}/book/rollups/org_daily/*/*/*.parquet"
    tallybook = Tallybook(root, builds[-1])
    engines = {
        "Tallybook": tallybook,
        "DuckDB, raw": DuckDb(f"read_parquet('{raw}', hive_partitioning = true)", RAW),
        "DuckDB, rollup files": DuckDb(f"read_parquet('{rolled}')", ROLLED),
        "chDB, raw": ClickHouse(f"file('{raw}', Parquet)"),
    }
    rows = DAYS[options.size] * ROWS_A_DAY
    print(f"{rows:,} rows, {DAYS[options.size]} days, {ORGANIZATIONS:,} organizations; "
          f"medians of {options.rounds} rounds in ms, ratios to Tallybook.")
    print(f"DuckDB {duckdb.__version__}, chDB {chdb.__version__}; {os.cpu_count()} cores, "
          f"{platform.processor() or platform.machine()}, Python {platform.python_version()}.\n")
    print("| question | " + " | ".join(engines) + " |\n|---|" + "---|" * len(engines))
    for name, question in questions(LAST - timedelta(days=DAYS[options.size] - 1)).items():
        answers = {engine: same(asked.ask(question)[1]) for engine, asked in engines.items()}
        for engine, answer in answers.items():
            assert answer == answers["Tallybook"], f"{name}: {engine} differs\n{answer}\n{answers}"
        times = {engine: [] for engine in engines}
        for _ in range(options.rounds):
            for engine, asked in engines.items():
                times[engine].append(asked.ask(question)[0])
        medians = {engine: statistics.median(each) for engine, each in times.items()}
        cells = [f"{ms:.1f}" if engine == "Tallybook" else f"{ms:.0f} ({ms / medians['Tallybook']:.0f}×)"
                 for engine, ms in medians.items()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        stats = {key: tallybook.stats[key] for key in ("rows_scanned", "requests", "planning_ms")}
        print(f"{name}: {stats}", file=sys.stderr)
    ours, theirs = tallybook.peak(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sizes = {kind: sum(os.path.getsize(file) for file in glob.glob(files))
             for kind, files in (("raw", raw), ("org_daily", rolled))}
    print(f"\nPeak memory: Tallybook {ours:.0f} MB, the peers' process {theirs:.0f} MB. "
          f"Files: {sizes['raw'] / rows:.1f} bytes per raw row, org_daily {sizes['org_daily'] / 2**20:.0f} MB. "
          f"Making them: append {took['append']:.0f} s, rollup {took['rollup']:.0f} s.")


if __name__ == "__main__":
    main()

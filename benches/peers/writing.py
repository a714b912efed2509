"""Appending and rolling up, beside the same work in DuckDB; each time into a place of its own."""

import shutil
import statistics
import subprocess
import sys
import time
from datetime import timedelta

from data import LAST, connection, rows_of, run

LOG_ROWS, LOG_DAYS = 1_000_000, 10
BIG_DAY_ROWS = 10_000_000

COLUMNS = """{timestamp: 'TIMESTAMPTZ', request_id: 'VARCHAR', organization_id: 'VARCHAR',
  user_id: 'VARCHAR', operation: 'VARCHAR', provider: 'VARCHAR', model: 'VARCHAR', status: 'VARCHAR',
  input_tokens: 'BIGINT', cached_tokens: 'BIGINT', output_tokens: 'BIGINT',
  cost: 'DECIMAL(18, 12)', latency_ms: 'BIGINT'}"""

STATES = """count(*), sum(cost), count(cost), sum(input_tokens), count(input_tokens), sum(cached_tokens),
  count(cached_tokens), sum(output_tokens), count(output_tokens)"""
GROUPS = {
    "org_daily": "organization_id",
    "platform_daily": "provider, model, operation, status",
    "org_hourly": "date_trunc('hour', timestamp), organization_id, operation, model, status",
}


# A process counts the memory of the one that started it as its own, so a small one starts it.
STARTER = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
process.stdout.read()
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss, status)
"""


def measured(*command):
    """Seconds and peak megabytes of a command."""
    started = subprocess.run([sys.executable, "-S", "-c", STARTER, *command], check=True,
                             capture_output=True, text=True)
    took, peak, status = started.stdout.split()
    assert status == "0", f"{command} failed"
    return float(took), int(peak) / 1024


def repeated(rounds, tallybook, book, *arguments):
    """The median of the seconds, and the greatest peak."""
    each = [measured(tallybook, "--root", book, *arguments) for _ in range(rounds)]
    return statistics.median(took for took, _ in each), max(peak for _, peak in each)


def append_late(tallybook, book, day):
    """Appends one row of that day; gives its leaf."""
    folder = book / f"raw/date={day}"
    known = set(folder.iterdir())
    row = f'{{"timestamp":"{day}T12:00:00Z","organization_id":"org-0042","cost":0.01,"input_tokens":7}}\n'
    command = [tallybook, "--root", book, "append", "-", "--format", "ndjson"]
    subprocess.run(command, input=row.encode(), check=True, capture_output=True)
    [late] = set(folder.iterdir()) - known
    return late


def compare(tallybook, place, seed, rounds, parts):
    place = place / "writing"
    place.mkdir(parents=True, exist_ok=True)
    print("| work, s | Tallybook | DuckDB | Tallybook's peak, MB |\n|---|---|---|---|")
    if "append" in parts:
        append(tallybook, place, seed, rounds)
    if "rollup" in parts:
        rollup(tallybook, place, seed, rounds)
    print()


def row(work, ours, theirs, peak):
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    print(f"| {work} | {ours:.2f} | {theirs:.2f} ({theirs / ours:.2f}×) | {peak:.0f} |", flush=True)


def append(tallybook, place, seed, rounds):
    """NDJSON into Parquet, a folder a day: DuckDB's COPY against validated, sorted, synced leaves."""
    log, con = place / f"log-{seed}.ndjson", connection()
    if not log.exists():
        days = " UNION ALL ".join(f"({rows_of(at, seed, LOG_ROWS // LOG_DAYS)})" for at in range(LOG_DAYS))
        con.execute(f"COPY (SELECT * REPLACE (strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%fZ') AS timestamp) "
                    f"FROM ({days})) TO '{log}' (FORMAT json)")
    ours, theirs, peaks = [], [], []
    for _ in range(rounds):
        book, copied = place / "book", place / "copied"
        shutil.rmtree(book, ignore_errors=True)
        took, peak = measured(tallybook, "--root", book, "append", log)
        ours.append(took)
        peaks.append(peak)
        shutil.rmtree(copied, ignore_errors=True)
        start = time.perf_counter()
        con.execute(f"COPY (SELECT *, CAST(timestamp AS DATE) AS date FROM read_json('{log}', "
                    f"format = 'newline_delimited', columns = {COLUMNS})) TO '{copied}' "
                    "(FORMAT parquet, PARTITION_BY (date))")
        theirs.append(time.perf_counter() - start)
    check = "SELECT count(*), sum(cost), sum(input_tokens) FROM read_parquet('{}/*/*.parquet')"
    answers = [con.execute(check.format(files)).fetchall() for files in (book / "raw", copied)]
    assert answers[0] == answers[1], answers
    row(f"append {LOG_ROWS:,} rows of NDJSON ({log.stat().st_size / 2**20:.0f} MB)", ours, theirs, max(peaks))


def rollup(tallybook, place, seed, rounds):
    """All default rollups of one big day: written and synced segments against tables in memory."""
    big, con = place / f"big-{seed}", connection()
    if not big.exists():
        file = place / "day.parquet"
        con.execute(f"COPY ({rows_of(0, seed, BIG_DAY_ROWS)}) TO '{file}' (FORMAT parquet)")
        run(tallybook, place / "being-made", "append", file)
        (place / "being-made").rename(big)
        file.unlink()
    files = f"read_parquet('{big}/raw/*/*.parquet')"
    ours, theirs, peaks = [], [], []
    for _ in range(rounds):
        shutil.rmtree(big / "rollups", ignore_errors=True)
        took, peak = measured(tallybook, "--root", big, "rollup", "--from", str(LAST), "--to", str(LAST))
        ours.append(took)
        peaks.append(peak)
        start = time.perf_counter()
        for name, group in GROUPS.items():
            con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {group}, {STATES} FROM {files} GROUP BY ALL")
        theirs.append(time.perf_counter() - start)
    for name in GROUPS:
        segment = f"read_parquet('{big}/rollups/{name}/*/*/*.parquet')"
        [(rows,)] = con.execute(f"SELECT count(*) FROM {segment}").fetchall()
        assert [(rows,)] == con.execute(f"SELECT count(*) FROM {name}").fetchall(), name
    row(f"roll up a day of {BIG_DAY_ROWS:,} rows, three rollups", ours, theirs, max(peaks))

"""The log that is asked about: seeded, 100,000 rows a day, so that a size is a number of days."""

import json
import subprocess
import time
from datetime import date, timedelta

import duckdb

DAYS = {"S": 37, "M": 365, "L": 3650}
ROWS_A_DAY = 100_000
ORGANIZATIONS = 2_000
LAST = date(2025, 12, 31)

# u holds independent numbers in [0, 1), the same for the same row in any run. Busy organizations are
# few, and each calls two models for the most part.
ROWS = """
  WITH drawn AS (
    SELECT i, [hash(xor(hash(i, {day}, {seed}), CAST(k AS UBIGINT))) / 18446744073709551616.0
               FOR k IN range(9)] AS u
    FROM range({rows}) t(i)
  ), called AS (
    SELECT *, CAST(floor({organizations} * u[2] * u[2]) AS INT) AS organization,
      50 + CAST(floor(8000 * u[8]) AS BIGINT) AS tokens,
      ['claude-sonnet-4-5', 'gpt-5', 'gemini-3-pro', 'claude-haiku-4-5', 'gpt-5-mini']
        [1 + (organization + CASE WHEN u[6] < 0.8 THEN 0 ELSE 1 END) % 5] AS called_model
    FROM drawn
  )
  SELECT
    TIMESTAMPTZ '{date} 00:00:00+00' + to_microseconds(CAST(floor(u[1] * 86400e6) AS BIGINT)) AS timestamp,
    printf('req-%d-%d', {day}, i) AS request_id,
    printf('org-%04d', organization) AS organization_id,
    printf('user-%05d', organization * 10 + CAST(floor(10 * u[3]) AS INT)) AS user_id,
    ['chat', 'embed', 'summarize', 'extract'][1 + CAST(floor(4 * u[4] * u[4]) AS INT)] AS operation,
    CASE called_model[1] WHEN 'c' THEN 'anthropic' WHEN 'g' THEN
      CASE called_model[2] WHEN 'p' THEN 'openai' ELSE 'google' END END AS provider,
    called_model AS model,
    CASE WHEN u[7] < 0.97 THEN 'ok' ELSE 'error' END AS status,
    tokens AS input_tokens,
    CAST(floor(tokens * u[9]) AS BIGINT) AS cached_tokens,
    CAST(10 + floor(1500 * u[5] * u[7]) AS BIGINT) AS output_tokens,
    CAST(floor(1e9 * u[8] * u[6]) / 1e10 AS DECIMAL(18, 12)) AS cost,
    CAST(100 + floor(9000 * u[5] * u[9]) AS BIGINT) AS latency_ms
  FROM called
  ORDER BY timestamp
"""


def connection():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con


def rows_of(at, seed, rows=ROWS_A_DAY):
    """A SELECT of the rows of the day that lies so many before the last."""
    return ROWS.format(day=at, seed=seed, rows=rows, date=LAST - timedelta(days=at),
                       organizations=ORGANIZATIONS)


def run(tallybook, book, *arguments):
    """One command over that root; gives its seconds."""
    start = time.perf_counter()
    subprocess.run([tallybook, "--root", book, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def make(root, size, seed, tallybook):
    """A root with the log, appended and rolled up by the command line, unless it is there; gives
    what each step took, in seconds."""
    done = root / f"made-{size}-{seed}"
    if done.exists():
        return json.loads(done.read_text())
    con, took = connection(), {"append": 0.0}
    for at in range(DAYS[size]):
        file = root / "day.parquet"
        con.execute(f"COPY ({rows_of(at, seed)}) TO '{file}' (FORMAT parquet)")
        took["append"] += run(tallybook, root / "book", "append", file, "--batch", f"day-{at}")
        file.unlink()
    took["rollup"] = run(tallybook, root / "book", "rollup")
    done.write_text(json.dumps(took))
    return took

"""An independent oracle: random questions over random rows, answered by tallybook and by DuckDB.

Rows are appended in batches, rolled up, joined by late batches, and some segments are deleted. DuckDB
reads the live raw files that `tallybook files` lists. Both must give the same rows.

usage: duckdb_agrees.py PROGRAM [SEED]
"""

import json
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import zip_longest
from math import isclose
from pathlib import Path

import duckdb

PROGRAM = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
RANDOM = random.Random(SEED)
QUESTIONS = 160
DAYS = 40
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROOT = Path(tempfile.mkdtemp()) / "root"
PLANS = ROOT.parent / "plans.csv"


def tallybook(*args, rows=""):
    command = [PROGRAM, "--root", str(ROOT), *args]
    ran = subprocess.run(command, input=rows, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{command}\nexit {ran.returncode}: {ran.stderr}")
    return ran.stdout, ran.stderr


def random_row():
    day = START + timedelta(days=RANDOM.randrange(DAYS))
    edge = RANDOM.choice([0, 1, 3_600_000_000, 86_399_999_999, RANDOM.randrange(86_400_000_000)])
    cost = RANDOM.choice([None, "0", "-0.58", "999999.999999999999", "0.000000000001"])
    cost = RANDOM.choice([cost, f"{RANDOM.randrange(10)}.{RANDOM.randrange(10**12):012}"])
    tokens = lambda: RANDOM.choice([None, 0, 1, -7, 4096, RANDOM.randrange(10**14)])
    return {
        "timestamp": int(day.timestamp() * 1e6) + edge,
        "organization_id": RANDOM.choice(["a", "b", "Ü", "o'c", "d,\"e", "日本"]),
        "user_id": RANDOM.choice([None, "u", "v"]),
        "operation": RANDOM.choice([None, "", "chat", "embed"]),
        "model": RANDOM.choice([None, "m1", "m2", "m_3"]),
        "provider": RANDOM.choice(["p", "q"]),
        "status": RANDOM.choice(["ok", "error"]),
        "input_tokens": tokens(),
        "cached_tokens": tokens(),
        "output_tokens": tokens(),
        "latency_ms": tokens(),
        "cost": cost,
    }


def append_batches(name, count):
    for batch in range(count):
        rows = [random_row() for _ in range(RANDOM.randrange(1, 400))]
        rows += RANDOM.sample(rows, len(rows) // 9)
        text = "\n".join(json.dumps(row) for row in rows)
        tallybook("append", "--batch", f"{name}-{batch}", rows=text)


GROUPS = ["organization_id", "operation", "model", "status", "provider", "date", "upper(model)",
          "date_trunc('month', timestamp)", "date_trunc('week', timestamp)",
          "date_trunc('day', timestamp)", "date_trunc('hour', timestamp)",
          "CASE WHEN status = 'ok' THEN 'fine' ELSE 'not' END", "coalesce(operation, 'none')"]
SETS = ["{}", "{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"]
LOCAL_DAYS = ["CAST(timestamp AT TIME ZONE 'Europe/Berlin' AS DATE)",
              "CAST(timestamp AT TIME ZONE 'America/New_York' AS DATE)"]
VALUES = ["count(*)", "count(cost)", "sum(cost)", "avg(cost)", "sum(input_tokens)",
          "avg(input_tokens)", "sum(output_tokens)", "avg(cache_hit_rate)", "count(input_tokens)",
          "sum(cached_tokens) FILTER (WHERE organization_id <> 'b')",
          "count(*) FILTER (WHERE date >= DATE '2026-01-15')"]
SPREADS = ["stddev(latency_ms)", "var_pop(latency_ms)", "var_samp(input_tokens)"]
DIMENSION_VALUES = ["count(DISTINCT organization_id)", "count(DISTINCT date)", "min(date)", "sum(1)",
                    "max(organization_id)", "sum(CASE WHEN date < DATE '2026-01-15' THEN cost ELSE 0 END)",
                    "sum(coalesce(input_tokens, 0))", "sum(output_tokens * 3)",
                    "count(DISTINCT upper(organization_id)) FILTER (WHERE date > DATE '2026-01-09')"]
JOINED_VALUES = ["count(plan)", "sum(seats)", "sum(output_tokens * seats)"]
RARE_VALUES = ["max(latency_ms)", "min(cost)", "count(DISTINCT user_id)"]
FILTERS = ["organization_id = 'a'", "organization_id IN ('a', 'o''c', '日本')",
           "organization_id LIKE '%c%'", "organization_id <> 'b' OR date = DATE '2026-01-07'",
           "date BETWEEN DATE '2026-01-03' AND DATE '2026-02-02'", "date < DATE '2026-01-30'",
           "timestamp >= TIMESTAMPTZ '2026-01-02 13:00:00Z'",
           "timestamp < TIMESTAMPTZ '2026-02-05 01:30:00Z'",
           "timestamp > TIMESTAMPTZ '2026-01-03 00:00:00Z'",
           "timestamp <= TIMESTAMPTZ '2026-02-06 23:59:59.999999Z'", "date > DATE '2027-01-01'"]
JOINS = ["JOIN plans ON organization_id = org", "LEFT JOIN plans ON organization_id = org"]
SUBQUERIES = ["organization_id IN (SELECT org FROM plans WHERE seats > 1)",
              "organization_id NOT IN (SELECT org FROM plans WHERE seats < 5)",
              "NOT EXISTS (SELECT 1 FROM plans p WHERE p.org = ai_usage_log.organization_id)",
              "(date < DATE '2026-01-12' OR timestamp >= TIMESTAMPTZ '2026-01-25 00:00:00Z')",
              "date_trunc('month', timestamp) = TIMESTAMPTZ '2026-01-01 00:00:00Z'",
              "extract(year FROM timestamp) = 2026", "date <> DATE '2026-01-20'"]
RARE_FILTERS = ["model IS NULL", "operation = ''", "status = 'ok'", "user_id = 'u'", "cost > 1"]


def some(options, most):
    return RANDOM.sample(options, RANDOM.randrange(min(most, len(options)) + 1))


def random_question():
    groups = some(GROUPS, 3) + (some(LOCAL_DAYS, 1) if RANDOM.random() < 0.2 else [])
    join = RANDOM.choice(JOINS) if RANDOM.random() < 0.25 else ""
    values = some(VALUES, 4) + some(DIMENSION_VALUES, 2) + (some(JOINED_VALUES, 2) if join else [])
    values += some(SPREADS, 1) if RANDOM.random() < 0.1 else []
    if join:
        groups += some(["plan", "seats > 1"], 1)
    values += (some(RARE_VALUES, 1) if RANDOM.random() < 0.15 else [])
    values = values or ["count(*)"]
    filters = some(FILTERS, 2) + some(SUBQUERIES, 1) + (some(RARE_FILTERS, 1) if RANDOM.random() < 0.3 else [])
    columns = [f"{text} AS c{at}" for at, text in enumerate(groups + values)]
    sql = f"SELECT {', '.join(columns)} FROM ai_usage_log {join}"
    if filters:
        sql += " WHERE " + " AND ".join(f"({part})" for part in filters)
    if groups:
        keys = RANDOM.choice(SETS)
        sql += " GROUP BY " + keys.format(", ".join(groups if "(" in keys else
                                                     [str(at + 1) for at in range(len(groups))]))
    if RANDOM.random() < 0.2:
        sql += " HAVING count(*) > 3"
    averages = [at for at, text in enumerate(groups + values) if text.startswith(("avg(", "stddev", "var"))]
    return sql, averages


def normal(value):
    if isinstance(value, (int, Decimal)):
        return Decimal(value).normalize()
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if value is None or isinstance(value, (str, float)) else str(value)


def split_rows(rows, averages):
    """Rows in a fixed order, each as what must be equal and what must be close: the engines give
    averages in types of their own."""
    split = []
    for row in rows:
        exact = [normal(value) for at, value in enumerate(row) if at not in averages]
        split.append((exact, [row[at] for at in averages]))
    rough = lambda value: "" if value is None else f"{float(value):.6g}"
    return sorted(split, key=lambda row: (repr(row[0]), [rough(value) for value in row[1]]))


def close(ours, theirs):
    if ours is None or theirs is None:
        return ours is theirs
    return isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-11)


def differing(ours, theirs):
    for our, their in zip_longest(ours, theirs):
        if None in (our, their) or our[0] != their[0] or not all(map(close, our[1], their[1])):
            return f"tallybook: {our}\nDuckDB:    {their}"
    return None


def main():
    print(f"seed {SEED}")
    PLANS.write_text("org,plan,seats\na,pro,10\n日本,free,1\n日本,trial,2\nzz,pro,3\n")
    append_batches("early", 8)
    tallybook("rollup")
    append_batches("late", 3)
    segments = sorted(ROOT.glob("rollups/**/*.parquet"))
    for segment in RANDOM.sample(segments, len(segments) // 10):
        segment.unlink()
    files = tallybook("files")[0].splitlines()
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.execute("CREATE VIEW ai_usage_log AS SELECT * FROM read_parquet("
                     f"{files}, hive_partitioning = true, hive_types = {{'date': DATE}})")
    database.execute(f"CREATE TABLE plans AS SELECT * FROM read_csv('{PLANS}')")
    rewritten = 0
    for _ in range(QUESTIONS):
        sql, averages = random_question()
        out, err = tallybook("query", sql, "--table", f"plans={PLANS}", "--format", "ndjson", "--stats")
        rewritten += json.loads(err)["route"] != "raw"
        ours = [json.loads(line, parse_float=Decimal) for line in out.splitlines()]
        answer = database.execute(sql)
        ours = split_rows([list(row.values()) for row in ours], averages)
        difference = differing(ours, split_rows(answer.fetchall(), averages))
        if difference:
            sys.exit(f"{sql}\n{difference}")
    print(f"{QUESTIONS} questions agree with DuckDB {duckdb.__version__}, {rewritten} from rollups")
    if rewritten * 2 < QUESTIONS:
        sys.exit("fewer than half were answered from rollups")


main()

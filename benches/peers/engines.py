"""Who is asked: each engine with its way to say a question, its own clock, and its bytes read."""

import csv
import io
import json
import os
import resource
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import chdb.session

from data import LAST, connection

RAW = {"cost": "cost", "calls": "count(*)", "input": "input_tokens", "date": "date"}
ROLLED = {"cost": "cost_sum", "calls": "sum(calls)", "input": "input_tokens_sum", "date": "date"}
DAYS_BETWEEN = "date BETWEEN '{since}' AND '{last}'"


def questions(first, organization="org-0042"):
    """The four questions, by name."""
    month, year = LAST - timedelta(days=29), max(first, LAST - timedelta(days=364))
    sums = "sum({cost}) AS cost, {calls} AS calls, sum({input}) AS tokens"
    own = f"organization_id = '{organization}'"
    return {
        "30 days of one organization": (sums, "", own, month, ""),
        "a year of one organization": (sums, "", own, year, ""),
        "a year of the platform by day": (sums, "{date} AS day, ", "", year, " GROUP BY 1 ORDER BY 1"),
        "top ten organizations of a year": (
            sums, "organization_id, ", "", year, " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"),
    }


def sql(question, table, words, between):
    sums, group, where, since, tail = question
    condition = " AND ".join(filter(None, [where, between.format(since=since, last=LAST)]))
    return f"SELECT {group.format(**words)}{sums.format(**words)} FROM {table} WHERE {condition}{tail}"


def read_by(process):
    """Bytes that a process has asked the system for."""
    return int(Path(f"/proc/{process}/io").read_text().split("rchar:")[1].split()[0])


class Tallybook:
    def __init__(self, book, ask):
        env = {**os.environ, "TALLYBOOK_PEERS_ROOT": str(book)}
        self.process = subprocess.Popen([ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=env)

    def send(self, clients, texts):
        self.process.stdin.write(json.dumps({"clients": clients, "sql": texts}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, question):
        answer = self.send(1, [sql(question, "ai_usage_log", RAW, DAYS_BETWEEN)])
        [self.stats], [ms], [rows] = answer["stats"], answer["each_ms"], answer["csv"]
        return ms, list(csv.reader(io.StringIO(rows)))[1:]

    def ask_all(self, clients, asked):
        """The milliseconds of each question, and of all."""
        texts = [sql(question, "ai_usage_log", RAW, DAYS_BETWEEN) for question in asked]
        answer = self.send(clients, texts)
        return answer["each_ms"], answer["ms"]

    def bytes_read(self):
        return read_by(self.process.pid)

    def peak(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024


class DuckDb:
    def __init__(self, table, words):
        self.table, self.words, self.con = table, words, connection()

    def ask(self, question, con=None):
        text = sql(question, self.table, self.words, DAYS_BETWEEN)
        start = time.perf_counter()
        rows = (con or self.con).execute(text).fetchall()
        return (time.perf_counter() - start) * 1e3, [[str(value) for value in row] for row in rows]

    def ask_all(self, clients, asked):
        cursors = [self.con.cursor() for _ in range(clients)]

        def client(at):
            return [self.ask(question, cursors[at])[0] for question in asked[at::clients]]

        start = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            each = [ms for some in pool.map(client, range(clients)) for ms in some]
        return each, (time.perf_counter() - start) * 1e3

    def bytes_read(self):
        return read_by("self")


class ClickHouse:
    def __init__(self, table):
        self.table, self.session = table, chdb.session.Session()

    def ask(self, question):
        words = {**RAW, "date": "toDate(timestamp, 'UTC')"}
        between = ("timestamp >= toDateTime64('{since} 00:00:00', 6, 'UTC') AND "
                   "timestamp <= toDateTime64('{last} 23:59:59.999999', 6, 'UTC')")
        text = sql(question, self.table, words, between)
        start = time.perf_counter()
        rows = self.session.query(text, "CSV")
        return (time.perf_counter() - start) * 1e3, list(csv.reader(io.StringIO(str(rows))))

    def bytes_read(self):
        return read_by("self")


def peers_peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

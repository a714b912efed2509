#!/usr/bin/env python3
"""Tallybook, DuckDB and ClickHouse (chDB) over the same files, side by side.

    pip install duckdb chdb pytz
    cargo build --release && cargo bench --bench peers --no-run
    python3 benches/peers/compare.py M                  # S, M or L: the questions
    python3 benches/peers/compare.py M late clients     # more about the same root
    python3 benches/peers/compare.py S append rollup process

Makes the data once, then asks each engine in turn, round after round. Answers must be equal before
anything is timed. Prints medians as Markdown tables.
"""

import argparse
import decimal
import glob
import os
import platform
import random
import statistics
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import chdb
import duckdb

import writing
from data import DAYS, LAST, ORGANIZATIONS, ROWS_A_DAY, make
from engines import RAW, ROLLED, ClickHouse, DuckDb, Tallybook, peers_peak, questions

HERE = Path(__file__).resolve().parents[2]
PARTS = ["questions", "late", "clients", "process", "append", "rollup"]
CLIENTS, ASKED = 64, 1_000


def same(rows):
    """Rows without the ways to write one number."""
    def plain(value):
        try:
            return decimal.Decimal(value).normalize()
        except decimal.InvalidOperation:
            return value
    return [[plain(value) for value in row] for row in rows]


class Peers:
    """The engines over one root of that size."""

    def __init__(self, options, book, ask):
        self.rounds, self.book, self.size = options.rounds, book, options.size
        self.raw, self.rolled = f"{book}/raw/*/*.parquet", f"{book}/rollups/org_daily/*/*/*.parquet"
        self.first = LAST - timedelta(days=DAYS[self.size] - 1)
        self.engines = {
            "Tallybook": Tallybook(book, ask),
            "DuckDB, raw": DuckDb(f"read_parquet('{self.raw}', hive_partitioning = true)", RAW),
            "DuckDB, rollup files": DuckDb(f"read_parquet('{self.rolled}')", ROLLED),
            "chDB, raw": ClickHouse(f"file('{self.raw}', Parquet)"),
        }

    def questions(self):
        print("| question, ms | " + " | ".join(self.engines) + " |\n|---|" + "---|" * len(self.engines))
        read = {engine: [] for engine in self.engines}
        for name, question in questions(self.first).items():
            answers = {}
            for engine, asked in self.engines.items():
                before = asked.bytes_read()
                answers[engine] = same(asked.ask(question)[1])
                read[engine].append((asked.bytes_read() - before) / 2**20)
            for engine, answer in answers.items():
                assert answer == answers["Tallybook"], f"{name}: {engine} differs\n{answer}\n{answers}"
            times = {engine: [] for engine in self.engines}
            for _ in range(self.rounds):
                for engine, asked in self.engines.items():
                    times[engine].append(asked.ask(question)[0])
            medians = {engine: statistics.median(each) for engine, each in times.items()}
            ours = medians["Tallybook"]
            cells = [f"{ms:.1f}" if engine == "Tallybook" else f"{ms:.0f} ({ms / ours:.0f}×)"
                     for engine, ms in medians.items()]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
            stats = self.engines["Tallybook"].stats
            shown = {key: stats[key] for key in ("route", "rows_scanned", "requests", "planning_ms")}
            print(f"{name}: {shown}", file=sys.stderr)
        cells = [", ".join(f"{some:.0f}" for some in each) for each in read.values()]
        print("| MB read when each was asked first | " + " | ".join(cells) + " |\n")

    def late(self):
        """A leaf that came after its day was rolled up, and goes again."""
        question = questions(self.first)["a year of one organization"]
        known, without = self.ours(question)
        late = writing.append_late(TALLYBOOK, self.book, LAST - timedelta(days=DAYS[self.size] // 2))
        try:
            answer, with_late = self.ours(question)
            assert int(answer[0][1]) == int(known[0][1]) + 1, "the late row counts"
            print(f"A year of one organization with one late leaf of {late.stat().st_size} bytes: "
                  f"{with_late:.1f} ms, {with_late / without:.2f}× of {without:.1f} ms without.\n")
        finally:
            late.unlink()

    def ours(self, question):
        asked = [self.engines["Tallybook"].ask(question) for _ in range(2 + 3 * self.rounds)]
        return same(asked[0][1]), statistics.median(ms for ms, _ in asked[2:])

    def clients(self):
        random.seed(1)
        asked = []
        for at in range(ASKED):
            four = questions(self.first, f"org-{random.randrange(ORGANIZATIONS):04}")
            asked.append(list(four.values())[at % len(four)])
        print(f"| {ASKED:,} questions from {CLIENTS} clients | questions a second | p50, ms | p99, ms |"
              "\n|---|---|---|---|")
        rates = {}
        for engine in ("Tallybook", "DuckDB, rollup files"):
            self.engines[engine].ask_all(CLIENTS, asked[:CLIENTS])
            each, ms = self.engines[engine].ask_all(CLIENTS, asked)
            rates[engine] = ASKED / ms * 1e3
            cuts = statistics.quantiles(each, n=100)
            print(f"| {engine} | {rates[engine]:.0f} | {cuts[49]:.0f} | {cuts[98]:.0f} |")
        ratio = rates["Tallybook"] / rates["DuckDB, rollup files"]
        print(f"\nThroughput: {ratio:.1f}× DuckDB's.\n")

    def process(self):
        """From the start of a process to its end, with the answer written."""
        month = ["--from", str(LAST - timedelta(days=29)), "--to", str(LAST), "--format", "csv"]
        ask = ["usage", "org", "org-0042", *month]
        took, peak = writing.repeated(self.rounds, TALLYBOOK, self.book, *ask)
        print(f"A new process, `usage org` over 30 days: {took * 1e3:.0f} ms, {peak:.0f} MB.\n")


TALLYBOOK = HERE / "target/release/tallybook"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("size", choices=DAYS)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + "; the first if none")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "tallybook-peers")
    options = parser.parse_args()
    parts = options.parts or PARTS[:1]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    root = options.data / options.size
    root.mkdir(parents=True, exist_ok=True)
    builds = sorted(glob.glob(str(HERE / "target/release/deps/peers-*")), key=os.path.getmtime)
    builds = [build for build in builds if not build.endswith(".d")]
    if not builds:
        sys.exit("first: cargo build --release && cargo bench --bench peers --no-run")

    rows = DAYS[options.size] * ROWS_A_DAY
    print(f"DuckDB {duckdb.__version__}, chDB {chdb.__version__}; {os.cpu_count()} cores, "
          f"{platform.processor() or platform.machine()}, Python {platform.python_version()}.\n")
    if {"append", "rollup"} & set(parts):
        writing.compare(TALLYBOOK, options.data, options.seed, options.rounds, parts)
    if not set(parts) - {"append", "rollup"}:
        return
    took = make(root, options.size, options.seed, TALLYBOOK)
    peers = Peers(options, root / "book", builds[-1])
    print(f"{rows:,} rows, {DAYS[options.size]} days, {ORGANIZATIONS:,} organizations; "
          f"medians of {options.rounds} rounds, ratios to Tallybook.\n")
    for part in PARTS[:4]:
        if part in parts:
            getattr(peers, part)()
    sizes = {kind: sum(os.path.getsize(file) for file in glob.glob(files))
             for kind, files in (("raw", peers.raw), ("org_daily", peers.rolled))}
    print(f"Peak memory: Tallybook {peers.engines['Tallybook'].peak():.0f} MB, the peers' process "
          f"{peers_peak():.0f} MB. Files: {sizes['raw'] / rows:.1f} bytes per raw row, org_daily "
          f"{sizes['org_daily'] / 2**20:.0f} MB. Making them: append {took['append']:.0f} s, "
          f"rollup {took['rollup']:.0f} s.")


if __name__ == "__main__":
    main()

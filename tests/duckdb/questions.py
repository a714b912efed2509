"""Random questions that tallybook and DuckDB take for the same.

A question is its SQL and the columns that need only be close: the engines give averages, quotients and
doubles in types and with rounding of their own.
"""

from datetime import date, timedelta

FIRST = date(2026, 3, 1)
DAYS = 40


def day(number):
    return f"DATE '{FIRST + timedelta(days=number)}'"


def instant(number, time="00:00:00"):
    return f"TIMESTAMPTZ '{FIRST + timedelta(days=number)} {time}Z'"


GROUPS = ["organization_id", "operation", "model", "status", "provider", "date", "upper(model)",
          "date_trunc('month', timestamp)", "date_trunc('week', timestamp)",
          "date_trunc('day', timestamp)", "date_trunc('hour', timestamp)",
          "date_trunc('day', timestamp - INTERVAL '6 hours')",
          "CASE WHEN status = 'ok' THEN 'fine' ELSE 'not' END", "coalesce(operation, 'none')",
          "NOT (model IN ('m1', 'm2'))", "NOT (organization_id LIKE '%c%')",
          f"timestamp < {instant(20, '05:00:00.000001')}"]
SETS = ["{}", "{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"]
# In March, the clocks of both are changed.
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
LOCAL = ["CAST(timestamp AT TIME ZONE '{}' AS DATE)", "extract(hour FROM timestamp AT TIME ZONE '{}')",
         "extract(dow FROM timestamp AT TIME ZONE '{}')"]
VALUES = ["count(*)", "count(cost)", "sum(cost)", "avg(cost)", "sum(input_tokens)",
          "avg(input_tokens)", "sum(output_tokens)", "avg(cache_hit_rate)", "count(input_tokens)",
          "sum(cached_tokens) FILTER (WHERE organization_id <> 'b')",
          f"count(*) FILTER (WHERE date >= {day(14)})"]
SPREADS = ["stddev(latency_ms)", "var_pop(latency_ms)", "var_samp(input_tokens)",
           "sum(CAST(cost AS DOUBLE))", "avg(CAST(cost AS DOUBLE))", "sum(DISTINCT CAST(cost AS DOUBLE))"]
DIMENSION_VALUES = ["count(DISTINCT organization_id)", "count(DISTINCT date)", "min(date)", "sum(1)",
                    "max(organization_id)", f"sum(CASE WHEN date < {day(14)} THEN cost ELSE 0 END)",
                    "sum(coalesce(input_tokens, 0))", "sum(output_tokens * 3)",
                    f"count(DISTINCT upper(organization_id)) FILTER (WHERE date > {day(8)})"]
JOINED_VALUES = ["count(plan)", "sum(seats)", "sum(output_tokens * seats)"]
RARE_VALUES = ["max(latency_ms)", "min(cost)", "count(DISTINCT user_id)", "max(huge)", "min(huge)",
               "avg(huge)"]
FILTERS = ["organization_id = 'a'", "organization_id IN ('a', 'o''c', '日本')",
           "organization_id LIKE '%c%'", f"organization_id <> 'b' OR date = {day(6)}",
           f"date BETWEEN {day(2)} AND {day(32)}", f"date < {day(29)}",
           f"timestamp >= {instant(1, '13:00:00')}", f"timestamp < {instant(35, '01:30:00')}",
           f"timestamp > {instant(2)}", f"timestamp <= {instant(36, '23:59:59.999999')}",
           f"timestamp < {instant(20, '00:00:00.000001')}", f"timestamp = {instant(9)}",
           f"timestamp >= {instant(3, '00:15:00')}", f"timestamp < {instant(33, '22:45:00')}",
           f"date = {day(12)}", f"date > {day(300)}",
           # Two stretches of one day.
           f"timestamp < {instant(9, '01:15:00')} OR timestamp >= {instant(9, '22:30:00')}",
           f"timestamp >= {instant(16, '00:15:00')} AND timestamp < {instant(16, '03:00:00')} OR "
           f"timestamp > {instant(16, '17:45:00')} AND timestamp < {instant(17, '04:10:00')}"]
SUBQUERIES = ["organization_id IN (SELECT org FROM plans WHERE seats > 1)",
              "organization_id NOT IN (SELECT org FROM plans WHERE seats < 5)",
              "NOT EXISTS (SELECT 1 FROM plans p WHERE p.org = ai_usage_log.organization_id)",
              f"(date < {day(11)} OR timestamp >= {instant(24)})",
              f"date_trunc('month', timestamp) = {instant(0)}",
              "extract(year FROM timestamp) = 2026", f"date <> {day(19)}"]
RARE_FILTERS = ["model IS NULL", "operation = ''", "status = 'error'", "user_id = 'u'", "cost > 1",
                "huge = 9223372036854775807", "model IN ('m1', NULL)", "model NOT IN ('m1', 'm2')",
                "NOT (status = 'ok' AND model = 'm1')", "status = 'error' AND cost > 0"]
JOINS = ["JOIN plans ON organization_id = org", "LEFT JOIN plans ON organization_id = org",
         "JOIN (SELECT organization_id AS org, 'x' AS plan, count(*) AS seats FROM ai_usage_log "
         f"WHERE date < {day(20)} GROUP BY 1) t ON ai_usage_log.organization_id = org",
         "LEFT JOIN (SELECT org, min(plan) AS plan, sum(seats) AS seats FROM plans GROUP BY 1) t "
         "ON organization_id = org"]


class Questions:
    def __init__(self, random):
        self.random = random

    def some(self, options, most):
        return self.random.sample(options, self.random.randrange(min(most, len(options)) + 1))

    def maybe(self, chance, options):
        return self.some(options, 1) if self.random.random() < chance else []

    def filters(self):
        return self.some(FILTERS, 2) + self.some(SUBQUERIES, 1) + self.maybe(0.3, RARE_FILTERS)

    def where(self):
        filters = self.filters()
        return " WHERE " + " AND ".join(f"({part})" for part in filters) if filters else ""

    def next(self):
        kinds = [self.block] * 6 + [self.share, self.correlated, self.lateral, self.window, self.top,
                                    self.sets, self.of_groups, self.double_keys, self.two_zones]
        return self.random.choice(kinds)()

    def block(self):
        local = [self.random.choice(LOCAL).format(self.random.choice(ZONES))]
        groups = self.some(GROUPS, 3) + self.maybe(0.3, local)
        join = self.random.choice(JOINS) if self.random.random() < 0.3 else ""
        values = self.some(VALUES, 4) + self.some(DIMENSION_VALUES, 2)
        values += self.maybe(0.2, SPREADS) + self.maybe(0.2, RARE_VALUES)
        if join:
            values += self.some(JOINED_VALUES, 2)
            groups += self.some(["plan", "seats > 1"], 1)
            # Both sides may have the column.
            groups = [group.replace("organization_id", "ai_usage_log.organization_id") for group in groups]
        values = values or ["count(*)"]
        where = self.where()
        if join:
            where = where.replace("organization_id", "ai_usage_log.organization_id")
            where = where.replace("ai_usage_log.ai_usage_log.", "ai_usage_log.")
        columns = [f"{text} AS c{at}" for at, text in enumerate(groups + values)]
        sql = f"SELECT {', '.join(columns)} FROM ai_usage_log {join}{where}"
        if groups:
            keys = self.random.choice(SETS)
            by_place = [str(at + 1) for at in range(len(groups))]
            sql += " GROUP BY " + keys.format(", ".join(groups if "(" in keys else by_place))
        if self.random.random() < 0.2:
            sql += " HAVING count(*) > 3"
        return sql, close_columns(groups + values)

    def key(self):
        return self.random.choice(["organization_id", "model", "status", "date", "operation"])

    def share(self):
        """A share of a total, which is a joined side of one row."""
        total = self.random.choice(["sum(cost)", "count(*)", "sum(CAST(cost AS DOUBLE))"])
        key = self.key()
        return (f"SELECT l.{key} AS c0, count(*) AS c1, t.total AS c2, sum(l.cost) / t.total AS c3 "
                f"FROM ai_usage_log l CROSS JOIN (SELECT {total} AS total FROM ai_usage_log{self.where()}) t "
                "GROUP BY 1, 3", [2, 3])

    def correlated(self):
        key, other = self.key(), self.random.choice(FILTERS)
        inner = f"SELECT {{}} FROM ai_usage_log k WHERE k.{key} = l.{key} AND ({other})"
        condition = self.random.choice([
            f"EXISTS ({inner.format('1')} AND k.cost > 1)",
            f"NOT EXISTS ({inner.format('1')})",
            f"l.cost = ({inner.format('max(k.cost)')})",
            f"l.input_tokens > ({inner.format('avg(k.input_tokens)')})",
            f"3 < ({inner.format('count(*)')})",
        ])
        group = self.key()
        return f"SELECT l.{group} AS c0, count(*) AS c1 FROM ai_usage_log l WHERE {condition} GROUP BY 1", []

    def lateral(self):
        key, value = self.key(), self.random.choice(["count(*)", "sum(k.cost)", "max(k.latency_ms)"])
        kind = self.random.choice(["CROSS JOIN LATERAL ({}) t", "LEFT JOIN LATERAL ({}) t ON true"])
        inner = f"SELECT {value} AS n FROM ai_usage_log k WHERE k.{key} = l.{key}"
        return (f"SELECT l.{key} AS c0, t.n AS c1 FROM (SELECT DISTINCT {key} FROM ai_usage_log{self.where()}) l "
                + kind.format(inner), [])

    def grouped(self):
        """Rows of two keys, a count and a sum."""
        keys = self.random.sample(["organization_id", "model", "status", "date"], 2)
        return (f"SELECT {keys[0]} AS a, {keys[1]} AS b, count(*) AS n, sum(cost) AS s, "
                f"sum(input_tokens) AS i FROM ai_usage_log{self.where()} GROUP BY 1, 2")

    def window(self):
        call = self.random.choice([
            "rank() OVER (PARTITION BY a ORDER BY n DESC)",
            "dense_rank() OVER (ORDER BY n)",
            "row_number() OVER (ORDER BY n DESC, a NULLS FIRST, b NULLS LAST)",
            "sum(i) OVER (PARTITION BY a ORDER BY n, b NULLS LAST)",
            "sum(n) OVER (ORDER BY a NULLS LAST, b NULLS LAST ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
            "lag(n, 1, 0) OVER (PARTITION BY b ORDER BY a NULLS LAST)",
            "count(*) OVER (PARTITION BY a)",
            "max(s) OVER (PARTITION BY b)",
        ])
        return f"SELECT a AS c0, b AS c1, n AS c2, {call} AS c3 FROM ({self.grouped()})", []

    def top(self):
        """The first of each group."""
        most = self.random.randrange(1, 4)
        order = "ORDER BY n DESC, a NULLS LAST, b NULLS LAST"
        number = f"row_number() OVER (PARTITION BY b {order})"
        if self.random.random() < 0.5:
            return f"SELECT a AS c0, b AS c1, n AS c2 FROM ({self.grouped()}) QUALIFY {number} <= {most}", []
        return f"SELECT a AS c0, b AS c1, n AS c2 FROM ({self.grouped()}) {order} LIMIT {most * 3}", []

    def sets(self):
        op = self.random.choice(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])
        keys = ", ".join(self.random.sample(["organization_id", "model", "status"], 2))
        side = lambda: f"(SELECT {keys}{self.random.choice(['', ', count(*)'])} FROM ai_usage_log{self.where()}"
        left, right = side(), side()
        if (", count(*)" in left) != (", count(*)" in right):
            right = right.replace(", count(*)", "") if ", count(*)" in right else right
            left = left.replace(", count(*)", "")
        return f"{left} GROUP BY {keys}) {op} {right} GROUP BY {keys})", []

    def of_groups(self):
        """Aggregates over aggregated rows."""
        values = self.random.sample(["count(*)", "sum(n)", "max(s)", "avg(n)", "stddev(n)",
                                     "corr(CAST(n AS DOUBLE), CAST(i AS DOUBLE))", "count(DISTINCT a)",
                                     "sum(CAST(s AS DOUBLE))"], 3)
        columns = ", ".join(f"{value} AS c{at + 1}" for at, value in enumerate(values))
        return (f"SELECT b AS c0, {columns} FROM ({self.grouped()}) GROUP BY 1",
                [at + 1 for at, value in enumerate(values) if is_close(value)])

    def double_keys(self):
        key = self.random.choice(["CAST(seats AS DOUBLE) / 4", "CAST(length(organization_id) AS DOUBLE) / 8"])
        return (f"SELECT {key} AS c0, count(*) AS c1, sum(cost) AS c2 FROM ai_usage_log LEFT JOIN plans "
                "ON organization_id = org GROUP BY 1", [0])

    def two_zones(self):
        one, other = self.random.sample(ZONES, 2)
        local = self.random.choice(LOCAL)
        return (f"SELECT {local.format(one)} AS c0, {local.format(other)} AS c1, count(*) AS c2, "
                f"sum(cost) AS c3 FROM ai_usage_log{self.where()} GROUP BY 1, 2", [])


def is_close(text):
    return text.startswith(("avg(", "stddev", "var", "corr")) or "DOUBLE" in text or " / " in text


def close_columns(texts):
    return [at for at, text in enumerate(texts) if is_close(text)]

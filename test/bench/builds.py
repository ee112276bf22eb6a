#!/usr/bin/env python3
"""This build beside another one, on a server each, in turn: the part `builds` of bench.sh, which starts it.

Each row is a statement's time with this build divided by its time with the other, pair by pair: below 1 is faster. Both
servers have the same rows; each build trains the models that it scores with.
"""
import os
import statistics
import subprocess
import sys

from bench import COLUMNS, HERE, SAMPLES, SETTINGS, header, row, spread

ROWS = min(int(os.environ["ROWS"]), 300_000)
NETWORKS = {"DCN-matrix": "ctr_deepcross()", "FiBiNET field_each": "ctr_fibinet(bilinear_type => 'field_each')"}


class Server:
    """psql on one of the two servers; `shell` are the commands of `test/server env`."""

    def __init__(self, shell):
        self.shell = shell

    def run(self, script):
        done = subprocess.run(["bash", "-c", self.shell + "\nexec psql -XAtq -v ON_ERROR_STOP=1"], text=True,
                              input=SETTINGS + script, capture_output=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return done.stdout.splitlines()

    def seconds(self, script):
        """The time of each statement, in one session."""
        lines = self.run("\n\\timing on\n" + script)
        return [float(line.split()[1]) / 1000 for line in lines if line.startswith("Time: ")]

    def load(self):
        columns = ", ".join(f"{c} {'int' if c[0] == 'i' else 'text'}" for c in COLUMNS)
        self.run("CREATE EXTENSION ctr; CREATE TABLE models (name text PRIMARY KEY, model ctr_model);"
                 f"CREATE TABLE criteo (label smallint, {columns});")
        copy = "psql -XAtq -c \"\\copy criteo FROM stdin WITH (NULL '')\""
        subprocess.run(["bash", "-c", f"{self.shell}\n{HERE}/build/rows 0 {ROWS} 1.0 | {copy}"], check=True)
        self.run(f"CREATE TABLE one AS SELECT * FROM criteo LIMIT 1;"
                 f"CREATE TABLE small AS SELECT * FROM criteo LIMIT {ROWS // 10}; VACUUM ANALYZE;")
        for name, network in NETWORKS.items():
            self.run(f"INSERT INTO models SELECT '{name}', ctr_train(c, {network} || ctr_fit(epochs => 1)) FROM small c;")
        self.run("INSERT INTO models SELECT 'large', "
                 "ctr_train(c, ctr_deepcross() || ctr_fit(recipe => 'reference', epochs => 1)) FROM criteo c;")

    def training(self, options, table):
        """Seconds of a whole ctr_train, and of its epochs alone."""
        lines = self.run(f"\n\\timing on\nCREATE TEMP TABLE t AS SELECT ctr_train(c, {options}) AS m FROM {table} c;\n"
                         "\\timing off\nSELECT sum(h.seconds) FROM t, ctr_history(m) h;")
        return float(lines[0].split()[1]) / 1000, float(lines[1])

    def scoring(self, name, call, table):
        """Seconds of a whole scan, the second of a session."""
        scan = f"SELECT sum(p) FROM (SELECT {call} AS p FROM models m, {table} c WHERE m.name = '{name}') s;\n"
        return self.seconds(scan + scan)[1]

    def first_call(self):
        query = "SELECT {} FROM models m, (SELECT * FROM one) c WHERE m.name = 'large';"
        return self.seconds(query.format("ctr_predict(m.model, c)"))[0] - self.seconds(query.format("(c).label"))[0]

    def one_row_queries(self, n=2000):
        prepare = "PREPARE q AS SELECT ctr_predict(m.model, c) FROM models m, (SELECT * FROM one) c WHERE m.name = 'large';\n"
        return sum(self.seconds(prepare + "EXECUTE q;\n" * n)[-n + 10:])


def measurements():
    """Pairs of a name and what takes a server and gives its seconds."""
    for name, network in NETWORKS.items():
        table = "criteo" if name.startswith("DCN") else "small"
        for recipe in ("robust", "reference"):
            options = f"{network} || ctr_fit(recipe => '{recipe}', epochs => 2, patience => 0)"
            yield f"training, {name}, {recipe}, 2 epochs", lambda s, o=options, t=table: s.training(o, t)[0]
    for name in NETWORKS:
        table = "criteo" if name.startswith("DCN") else "small"
        yield f"ctr_predict, {name}", lambda s, n=name, t=table: s.scoring(n, "ctr_predict(m.model, c)", t)
        yield f"ctr_predict_batch, {name}", \
            lambda s, n=name, t=table: s.scoring(n, "ctr_predict_batch(m.model, c) OVER ()", t)
    yield "2,000 prepared queries of one row", Server.one_row_queries
    yield "first call of a backend", lambda s: statistics.median(s.first_call() for _ in range(5))


def main():
    ours, other = (Server(os.environ[name]) for name in ("OUR_SERVER", "OTHER_SERVER"))
    for server in (ours, other):
        server.load()
    print(f"{ROWS:,} rows, a tenth of them for FiBiNET; medians (least … most) of {SAMPLES} pairs.\n")
    header("what", "this build, s", "the other, s", "this ÷ other")
    for name, measure in measurements():
        measure(ours), measure(other)  # warm both
        pairs = []
        for i in range(SAMPLES):
            first, second = (ours, other) if i % 2 == 0 else (other, ours)
            a, b = measure(first), measure(second)
            pairs.append((a, b) if i % 2 == 0 else (b, a))
        mine, others = zip(*pairs)
        row(name, spread(mine, digits=3), spread(others, digits=3),
            spread([a / b for a, b in pairs], digits=3))


if __name__ == "__main__":
    main()

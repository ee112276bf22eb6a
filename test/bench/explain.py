#!/usr/bin/env python3
"""What explanations cost: the part `explain` of bench.sh, which starts the server, and one of BASE's build beside it.

µs of CPU that ctr_explain takes for a row, in one backend; and how much longer a training takes for the importance that it
measures at its end, as the server tells it in a DEBUG1 message. Rows are generated, or Criteo's where CRITEO= names them.
"""
import os
import re
import subprocess

from bench import COLUMNS, HERE, SAMPLES, SETTINGS, header, row, spread
from builds import Server

ROWS = min(int(os.environ["ROWS"]), 100_000)
NETWORKS = {"DCN-matrix": ("ctr_deepcross()", 1000), "FiBiNET": ("ctr_fibinet()", 100)}
CPU = "SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1);\n"


class Explaining(Server):
    def __init__(self, shell):
        super().__init__(shell)
        columns = ", ".join(f"{c} {'int' if c[0] == 'i' else 'text'}" for c in COLUMNS)
        rows = f"{HERE}/build/rows 0 {ROWS} 1.0"
        if os.environ.get("CRITEO"):
            rows = f"zcat -f '{os.environ['CRITEO']}' | head -n {ROWS}"
        self.run("CREATE EXTENSION ctr; CREATE TABLE models (name text PRIMARY KEY, model ctr_model);"
                 f"CREATE TABLE criteo (label smallint, {columns});")
        copy = "psql -XAtq -c \"\\copy criteo FROM stdin WITH (NULL '')\""
        subprocess.run(["bash", "-c", f"{self.shell}\n{rows} | {copy}"], check=True)
        self.run("VACUUM ANALYZE;")
        for name, (network, _) in NETWORKS.items():
            self.run(f"INSERT INTO models SELECT '{name}', ctr_train(c, {network}) FROM criteo c;")

    def explain(self, name):
        """µs of CPU a row"""
        rows = NETWORKS[name][1]
        query = "SELECT sum(contribution) FROM models m, (SELECT * FROM criteo LIMIT {}) c, " \
                f"LATERAL ctr_explain(m.model, c) WHERE m.name = '{name}';\n"
        first, _, second = self.run(query.format(1) + CPU + query.format(rows) + CPU)[1:]
        return (int(second) - int(first)) / rows / 1000

    def importance(self, options, rows):
        """Its share of a training's seconds; NaN where the build does not tell."""
        script = "\\timing on\nSET client_min_messages = debug1;\n" \
                 f"SELECT ctr_train(c, {options}) IS NULL FROM (SELECT * FROM criteo LIMIT {rows}) c;\n"
        done = subprocess.run(["bash", "-c", self.shell + "\nexec psql -XAtq -v ON_ERROR_STOP=1"], text=True, check=True,
                              input=SETTINGS + script, capture_output=True)
        took = re.search(r"importance of features: .* ([0-9.]+) ms", done.stderr)
        whole = re.findall(r"Time: ([0-9.]+) ms", done.stdout)[-1]
        return float(took[1]) / float(whole) if took else float("nan")


def main():
    servers = [Explaining(os.environ[name]) for name in ("OUR_SERVER", "OTHER_SERVER") if name in os.environ]
    print(f"{ROWS:,} rows{' of Criteo' if os.environ.get('CRITEO') else ''}, default options; {SAMPLES} samples.\n")
    header("what", "this build", *["the other", "this ÷ other"][:2 * len(servers) - 2])
    for name in NETWORKS:
        sides = list(zip(*[[s.explain(name) for s in servers] for _ in range(SAMPLES)]))
        quotients = [[a / b for a, b in zip(*sides)]] if len(sides) > 1 else []
        row(f"ctr_explain, {name}, µs a row", *[spread(s, digits=0) for s in sides], *[spread(q, digits=2) for q in quotients])
    for name, (network, _) in NETWORKS.items():
        for rows, options in ((2_000, f"{network} || ctr_fit(epochs => 3, patience => 0)"), (20_000, network)):
            sides = zip(*[[s.importance(options, rows) for s in servers] for _ in range(max(SAMPLES // 2, 1))])
            row(f"importance, {name}, {rows:,} rows{', 3 epochs' if rows < 20_000 else ''}, % of the training",
                *[spread(s, 100, 1) for s in sides], *[""] * (len(servers) - 1))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Scoring as services and batch jobs do it: the part `serve` of bench.sh, which starts it.

pgbench asks prepared queries: of one row, and of a page of 100 candidates for its best 10. Each is measured beside the same query
without a score. CPU is what the backends used, all threads together, between two moments while pgbench ran; latencies are of the
transactions that ended between them. Then a backend's first call, the memory of many backends, and a whole table.

Where OTHER_SERVER is set, everything is measured there as well, in turn; the last column is this build ÷ the other.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from builds import Server
from bench import COLUMNS, HERE, ROWS, SAMPLES, header, row, spread

DURATION = float(os.environ.get("DURATION", "3"))
CLIENTS = [int(n) for n in os.environ.get("CLIENTS", "1 20 100").split()]
BACKENDS = int(os.environ.get("BACKENDS", "100"))
CANDIDATES, PAGES = 100, 200
TRAINED_ROWS = min(ROWS, int(os.environ.get("TRAINED_ROWS", "650000")))

# what they are called, their options
MODELS = {
    "DCN-matrix": "ctr_deepcross()",
    "FiBiNET": "ctr_fibinet()",
    "DCN-matrix, reference": "ctr_deepcross() || ctr_fit(recipe => 'reference')",
    "FiBiNET, reference": "ctr_fibinet() || ctr_fit(recipe => 'reference')",
}

MODELS = {name: options for name, options in MODELS.items() if re.fullmatch(os.environ.get("MODELS") or ".*", name)}

# `score` is ctr_predict, or a column
QUERIES = {
    "one row": f"\\set id random(1, {CANDIDATES * PAGES})\n"
               "SELECT {score} FROM models m, ads c WHERE m.name = '{name}' AND c.id = :id;\n",
    f"10 of {CANDIDATES}": f"\\set page random(0, {PAGES - 1})\n"
               "SELECT c.id, {score} AS p FROM models m, ads c WHERE m.name = '{name}' AND c.page = :page ORDER BY p DESC LIMIT 10;\n",
}
SCORE = "ctr_predict(m.model, c)"


# ------------------------------------------------------------------ a server

def cpu(pids):
    """Seconds on a CPU, all threads of these processes."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9


def proportional_memory(pids):
    """Bytes, what processes share counted once."""
    lines = [line.split() for pid in pids for line in open(f"/proc/{pid}/smaps_rollup")]
    return 1024 * sum(int(words[1]) for words in lines if words[0] == "Pss:")


class Serving(Server):
    """One of the servers, with rows, models and pgbench."""

    rows = {"criteo": ROWS, "few": ROWS // 20}

    def __init__(self, name, shell):
        super().__init__(shell)
        self.name = name

    def load(self):
        columns = ", ".join(f"{c} {'int' if c[0] == 'i' else 'text'}" for c in COLUMNS)
        self.run("CREATE EXTENSION ctr; CREATE TABLE models (name text PRIMARY KEY, model ctr_model);"
                 f"CREATE TABLE criteo (label smallint, {columns});")
        copy = "psql -XAtq -c \"\\copy criteo FROM stdin WITH (NULL '')\""
        subprocess.run(["bash", "-c", f"{self.shell}\n{HERE}/build/rows 0 {ROWS} 1.0 | {copy}"], check=True)
        self.run("CREATE TABLE ads AS SELECT row_number() OVER () AS id, (row_number() OVER () - 1) / {n} AS page, c.* "
                 "FROM (SELECT * FROM criteo LIMIT {rows}) c;".format(n=CANDIDATES, rows=CANDIDATES * PAGES) +
                 "ALTER TABLE ads ADD PRIMARY KEY (id); CREATE INDEX ON ads (page);"
                 f"CREATE TABLE few AS SELECT * FROM criteo LIMIT {self.rows['few']}; ALTER TABLE few SET (parallel_workers = 2);"
                 "VACUUM ANALYZE;")

    def train(self, name, options):
        """Little, because the weights' values do not matter. The model's MB."""
        self.run(f"INSERT INTO models SELECT '{name}', ctr_train(c, {options} || ctr_fit(validation => 0, epochs => 1, "
                 f"max_seconds => 1)) FROM (SELECT * FROM criteo LIMIT {TRAINED_ROWS}) c; VACUUM ANALYZE models;")
        return int(self.run(f"SELECT octet_length(model::bytea) FROM models WHERE name = '{name}';")[0]) / 1e6

    def pgbench_pids(self):
        return [int(pid) for pid in self.run("SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench';")]

    def start_pgbench(self, directory, script, clients, *options):
        path = pathlib.Path(directory) / "script.sql"
        path.write_text(script)
        return subprocess.Popen(
            ["bash", "-c", self.shell + '\nexec "$@"', "-", "pgbench", "-n", "-M", "prepared", "-f", str(path),
             "-c", str(clients), "-j", str(min(clients, 2)), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, env=os.environ | {"PGOPTIONS": "-c jit=off -c max_parallel_workers_per_gather=0"})

    def ask(self, script, clients):
        """What clients see, and what it costs, from when each has had an answer, for DURATION or longer."""
        for attempt in range(1, 6):
            duration = DURATION + attempt * (2 + clients // 10)
            with tempfile.TemporaryDirectory() as directory:
                bench = self.start_pgbench(directory, script, clients, "-l", f"--log-prefix={directory}/log", "-T", f"{duration:.0f}")
                end = time.time() + duration - 0.3
                self.wait_for_answers(bench, clients)
                pids = self.pgbench_pids()
                if time.time() < end - 0.8 * DURATION:
                    before, began = cpu(pids), time.time()
                    time.sleep(end - time.time())
                    used, ended = cpu(pids) - before, time.time()
                    finish(bench)
                    return Answers(latencies(directory, began, ended), used, ended - began)
                finish(bench)
        sys.exit(f"{clients} clients do not get started")

    def wait_for_answers(self, bench, clients):
        """Until every client has asked again, a second after it came: its first query unpacks the model."""
        asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' " \
                "AND query_start > backend_start + interval '1 s';"
        while bench.poll() is None and self.run(asked) != [str(clients)]:
            time.sleep(0.2)

    def first_call(self, name):
        """Seconds of a new backend's first score, above the same query without it."""
        query = f"SELECT {{}} FROM models m, ads c WHERE m.name = '{name}' AND c.id = 1;"
        return self.seconds(query.format(SCORE))[0] - self.seconds(query.format("c.i1"))[0]

    def memory(self, script):
        """
        Bytes of all the server's processes while BACKENDS sessions have run the script and wait. One more has read the
        models, so that shared buffers with them count in any case.
        """
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('pgbench', 'reader') AND query LIKE '%models%' " \
                  "AND state = 'idle';"
        with tempfile.TemporaryDirectory() as directory:
            bench = self.start_pgbench(directory, script + "\\sleep 1000 s\n", BACKENDS, "-t", "1")
            reader = subprocess.Popen(["bash", "-c", self.shell + "\nexec psql -XAtq"], text=True, stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL)
            print("SET application_name = 'reader'; SELECT sum(octet_length(model::bytea)) FROM models;", file=reader.stdin,
                  flush=True)
            while bench.poll() is None and self.run(waiting) != [str(BACKENDS + 1)]:
                time.sleep(0.2)
            size = proportional_memory([int(p) for p in self.run(
                "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "UNION ALL SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int;")])
            reader.stdin.close()
            reader.wait()
            bench.terminate()
            bench.wait()
            return size

    def table_rate(self, call, name, table, workers, threads):
        """
        Rows/s of a whole scan by a session that has scored before. The model comes from a sub-select: of a join with
        the models' table, PostgreSQL makes no parallel plan here.
        """
        model = f"(SELECT model FROM models WHERE name = '{name}')"
        return self.rows[table] / self.seconds(
            f"SET max_parallel_workers_per_gather = {workers}; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
            f"SET jit = off; SET ctr.threads = {threads}; SELECT ctr_predict({model}, c) FROM {table} c LIMIT 1;\n"
            f"SELECT sum(p) FROM (SELECT {call.format(model)} AS p FROM {table} c) s;")[-1]


def finish(bench):
    _, errors = bench.communicate()
    if bench.returncode != 0:
        sys.exit(errors)


def latencies(directory, began, ended):
    """Milliseconds of each transaction that ended in this time, of pgbench's logs; in order."""
    lines = [line.split() for path in pathlib.Path(directory).glob("log*") for line in path.read_text().splitlines()]
    return sorted(int(words[2]) / 1000 for words in lines if began < int(words[4]) + int(words[5]) / 1e6 <= ended)


class Answers:
    def __init__(self, times, used, elapsed):
        self.times, self.rate, self.cpu = times, len(times) / elapsed, 1e6 * used / len(times)

    def text(self):
        median, last = (self.times[len(self.times) * k // 100] for k in (50, 99))
        return f"{median:.2f}, {last:.2f} ms; {self.rate:,.0f}/s"


# ------------------------------------------------------------------ the tables

def quotients(values):
    """The last cell: pairs of this build's and the other's."""
    return [several([a / b for a, b in values], digits=2)] if len(values[0]) == 2 else []


def several(values, scale=1.0, digits=0):
    return spread(values, scale, digits) if len(values) > 1 else f"{values[0] * scale:,.{digits}f}"


def last_column(servers):
    return ["this ÷ other"] if len(servers) == 2 else []


def compare(servers, name, measure, scale=1.0, digits=0, samples=1):
    """A row: each server's samples, taken in turn."""
    values = [[measure(s) for s in servers] for _ in range(samples)]
    row(name, *(several(v, scale, digits) for v in zip(*values)), *quotients(values))


def queries(servers):
    header("query", "clients", "model", *(f"{s.name}: median, 99 %; queries" for s in servers),
           *(f"{s.name}: CPU µs above the query without a score" for s in servers), *last_column(servers))
    for query, script in QUERIES.items():
        for clients in CLIENTS:
            bare = [s.ask(script.format(name=next(iter(MODELS)), score="c.i1"), clients) for s in servers]
            row(query, str(clients), "no score", *(a.text() for a in bare), *(f"({a.cpu:,.0f} in all)" for a in bare), *last_column(servers) and [""])
            for name in MODELS:
                scored = [s.ask(script.format(name=name, score=SCORE), clients) for s in servers]
                above = [a.cpu - b.cpu for a, b in zip(scored, bare)]
                row(query, str(clients), name, *(a.text() for a in scored), *(f"{us:,.0f}" for us in above), *quotients([above]))


def backends(servers):
    header("what", *(s.name for s in servers), *last_column(servers))
    for name in MODELS:
        compare(servers, f"{name}: first call of a backend, ms", lambda s: s.first_call(name), 1000, 1, 2 * SAMPLES)
    script = QUERIES["one row"]
    for name in MODELS:
        scripts = [script.format(name=name, score=score) for score in (SCORE, "c.i1")]
        compare(servers, f"{name}: memory of {BACKENDS} backends that have scored, MB beyond that of as many that have not",
                lambda s: s.memory(scripts[0]) - s.memory(scripts[1]), 1e-6)


def tables(servers):
    header("rows/s", *(s.name for s in servers), *last_column(servers))
    score = "ctr_predict({}, c)"
    for name in MODELS:
        table = "few" if name.startswith("FiBiNET") else "criteo"
        for what, call, workers, threads in (("sum(ctr_predict), one backend of one thread", score, 0, 1),
                                             ("… of two threads", score, 0, 2),
                                             ("… parallel plan of 2 workers", score, 2, 1),
                                             ("sum(ctr_predict_batch), two threads", "ctr_predict_batch({}, c) OVER ()", 0, 2)):
            compare(servers, f"{name}, {Serving.rows[table]:,} rows: {what}",
                    lambda s: s.table_rate(call, name, table, workers, threads), samples=3)


def main():
    servers = [Serving(name, os.environ[variable]) for name, variable in
               (("this build", "OUR_SERVER"), ("the other", "OTHER_SERVER")) if variable in os.environ]
    for server in servers:
        server.load()
    for name, options in MODELS.items():
        print(f"{name}: {servers[0].train(name, options):.0f} MB. ", end="", flush=True)
        for server in servers[1:]:
            server.train(name, options)
    print("\n")
    queries(servers)
    print()
    backends(servers)
    print()
    tables(servers)


if __name__ == "__main__":
    main()

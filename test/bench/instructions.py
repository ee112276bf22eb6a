#!/usr/bin/env python3
"""Instructions of this build beside another one's: the part `instructions` of bench.sh, which starts it.

A machine that does other work too cannot tell 2 % in seconds, but a backend on its own takes nearly the same
instructions every time. So each build's single-user backend runs a session under callgrind, with one thread, which
counts the instructions of each statement. Valgrind hides AVX-512 and SHA: the kernels counted are those
for AVX2, and a model's digest counts many times what it is.

Both sides do the same work, which options given explicitly see to; what a newer build does besides (rows in an order
of their own, calibration, explanations) is counted, because a training cannot leave it out. Each build trains the
models that it scores with.

The networks and tables are small, so that what is around the network's products counts for much.
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys

from bench import header, row
from builds import COLUMNS, HERE, Server

MOST, FEW, SCANNED = 20_000, 2_000, 500
FEATURES = COLUMNS[:5] + COLUMNS[13:21]
NETWORKS = {"DCN-matrix": "ctr_deepcross(n_cross => 1, d_embed_max => 4, mlp_layers => '{16}')",
            "FiBiNET": "ctr_fibinet(d_embed => 4, mlp_layers => '{16}')"}
RECIPES = {"robust, no pairs": {"recipe": "robust", "crosses": "none", "cross_counts": "false", "min_count": "3"},
           "reference, statistics": {"recipe": "reference", "target_statistics": "true"}}
SAME = {"epochs": "2", "patience": "0", "lr_schedule": "constant", "monitor": "val_loss", "validation": "0.2",
        "numerical_buckets": "0"}
FLAGS = {"ctr.threads": 1, "maintenance_work_mem": "1GB", "jit": "off", "max_parallel_workers_per_gather": 0,
         "log_min_messages": "error"}


class Build(Server):
    """A server to load rows and train models; then, stopped, the data of single-user backends."""

    def __init__(self, shell):
        super().__init__(shell)
        self.directory = pathlib.Path(re.search(r"PGHOST='([^']+)'", shell)[1])
        self.binaries = next(self.directory.glob("inst/**/pg_ctl")).parent

    def options(self, network, recipe):
        """Options as jsonb, those left out that this build does not know."""
        given = {**SAME, **RECIPES[recipe]}
        return f"{NETWORKS[network]} || ctr_fit({', '.join(f'{k} => {v!r}' for k, v in given.items() if k in self.known)})"

    def load(self):
        columns = ", ".join(f"{c} {'int' if c[0] == 'i' else 'text'}" for c in COLUMNS)
        self.run("CREATE EXTENSION ctr; CREATE TABLE models (name text PRIMARY KEY, model ctr_model);"
                 f"CREATE TABLE rows (label smallint, {columns});")
        copy = "psql -XAtq -c \"\\copy rows FROM stdin WITH (NULL '')\""
        subprocess.run(["bash", "-c", f"{self.shell}\n{HERE}/build/rows 0 {MOST} 1.0 | {copy}"], check=True)
        for n in (MOST, FEW, SCANNED, 1):
            self.run(f"CREATE TABLE rows_{n} AS SELECT label, {', '.join(FEATURES)} FROM rows LIMIT {n};")
        self.known = set(self.run("SELECT unnest(proargnames) FROM pg_proc WHERE proname = 'ctr_fit';"))
        for network in NETWORKS:
            self.run(f"INSERT INTO models SELECT '{network}', model FROM ({train(self, network, 'robust, no pairs', MOST)}) t;")
        self.run(f"INSERT INTO models SELECT 'large', ctr_train(r, {self.options('DCN-matrix', 'reference, statistics')}) FROM rows r;"
                 "CREATE TABLE rows_one AS SELECT * FROM rows LIMIT 1;")
        self.run("VACUUM FREEZE ANALYZE;")

    def stop(self):
        self.own([self.binaries / "pg_ctl", "-D", self.directory / "data", "-m", "fast", "-w", "stop"])

    def own(self, command, **more):
        """Runs a command as the server's user."""
        command = [str(c) for c in command]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--"] + command
        done = subprocess.run(command, cwd="/", text=True, capture_output=True, **more)
        if done.returncode != 0:
            sys.exit(f"{shlex.join(command)}: {done.stderr}")
        return done

    def profiles(self, statements):
        """A profile of each statement, of one session: the parser is entered once for each, and begins another profile."""
        flags = [word for name, value in FLAGS.items() for word in ("-c", f"{name}={value}")]
        profile = self.directory / "profile"
        done = self.own(["valgrind", "--tool=callgrind", "--dump-before=pg_parse_query", f"--callgrind-out-file={profile}",
                         self.binaries / "postgres", "--single", "-D", self.directory / "data", *flags, "postgres"],
                        input="".join(s + "\n" for s in [*statements, "SELECT 1"]))
        if "ERROR:" in done.stderr or len(list(self.directory.glob("profile.*"))) != len(statements) + 1:
            sys.exit(done.stderr)
        return [self.directory / f"profile.{i + 2}" for i in range(len(statements))]


def total(profile):
    return int(re.search(r"^totals: (\d+)", profile.read_text(), re.M)[1])


def within(profile, function):
    """Instructions of a function and of all that it calls."""
    lines = subprocess.check_output(["callgrind_annotate", "--inclusive=yes", "--threshold=100", profile], text=True)
    return int(re.search(rf"^ *([\d,]+) .*:{function} ", lines, re.M)[1].replace(",", ""))


def train(build, network, recipe, rows):
    return f"SELECT ctr_train(r, {build.options(network, recipe)}) AS model FROM rows_{rows} r"


def scan(network, call):
    return f"SELECT sum(p) FROM (SELECT {call} AS p FROM models m, rows_{SCANNED} r WHERE m.name = '{network}') s"


def one_row(call, model="DCN-matrix", table="rows_1"):
    return f"SELECT {call} FROM models m, (SELECT * FROM {table}) r WHERE m.name = '{model}'"


def session(build):
    """Statements; with a name and what to divide by where they are measured."""
    yield None, 1, one_row("r.label")
    yield "first call of a backend", 1, one_row("ctr_predict(m.model, r)")
    yield None, 1, f"PREPARE q AS {one_row('ctr_predict(m.model, r)')}"
    yield from ((None, 1, "EXECUTE q") for _ in range(20))
    yield "prepared query of one row, warm", 1, "EXECUTE q"
    yield "first call with a model of 85,000 categories", 1, one_row("ctr_predict(m.model, r)", "large", "rows_one")
    for network in NETWORKS:
        for name, call, blocks in (("ctr_predict", "ctr_predict(m.model, r)", "on"),
                                   ("ctr_predict, not in blocks", "ctr_predict(m.model, r)", "off"),
                                   ("ctr_predict_batch", "ctr_predict_batch(m.model, r) OVER ()", "on")):
            yield None, 1, \
                f"SELECT set_config(name, '{blocks}', false) FROM pg_settings WHERE name = 'ctr.block_scoring'"
            yield None, 1, scan(network, call)
            yield f"{name}, {network}, a row", SCANNED, scan(network, call)
    for rows, recipes in ((FEW, RECIPES), (MOST, ["robust, no pairs"])):
        for network in NETWORKS:
            for recipe in recipes:
                yield f"ctr_train, {network}, {recipe}, {rows:,} rows", 1, \
                    f"SELECT model IS NULL FROM ({train(build, network, recipe, rows)}) t"


def measure(build):
    """Names and instructions."""
    steps = list(session(build))
    counts = {}
    for (name, by, _), profile in zip(steps, build.profiles([statement for _, _, statement in steps])):
        if name:
            counts[name] = total(profile) / by
        if name and name.startswith("ctr_train"):
            counts[name.replace("ctr_train", "its steps alone")] = within(profile, "trainer_step")
    return counts


def main():
    builds = [Build(os.environ[name]) for name in ("OUR_SERVER", "OTHER_SERVER")]
    for build in builds:
        build.load()
        build.stop()
    print("Instructions by callgrind, one thread, AVX2. Trainings: two epochs at a steady rate, a fifth of the rows held back.\n")
    with concurrent.futures.ThreadPoolExecutor(len(builds)) as pool:
        ours, others = pool.map(measure, builds)
    header("what", "this build", "the other", "this ÷ other")
    for name, count in ours.items():
        row(name, f"{count:,.0f}", f"{others[name]:,.0f}", f"{count / others[name]:.3f}")


if __name__ == "__main__":
    main()

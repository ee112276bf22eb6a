#!/usr/bin/env python3
"""Held-out quality on tables of many kinds, defaults against boosted trees: the part `tables` of bench.sh.

    test/server run test/bench/tables.py [FOLDER]     FOLDER holds folders, each of them a table:
        columns.sql                    the list of columns of a CREATE TABLE: label (0 or 1), texts, numbers
        train.tsv.gz, test.tsv.gz      rows in the text format of COPY, \\N being NULL
    test/bench/tables.py --self-test   compares the metrics below with scikit-learn's, where it is there

Settings, as environment variables: SEEDS ("1 2 3"); MODELS, of the names below (all); OPTIONS, an SQL expression of
options that ours get besides, like "ctr_fit(epochs => 10)"; THREADS (all cores); CRITEO, a file of Criteo's rows, of
which the first 80 % train and the last 20 % test; PLANTED, a number of training rows drawn from the demo's planted model
(test/demo/generate.sql), and a quarter as many that test.

Models. Ours: every architecture that this build lists in ctr_options(), with its defaults; a random 20 % of the training
rows (by the seed) are for validation. The peers are those of boosted_trees.py, which says how they are set; a library
that is absent is named. Prints one Markdown table with a row for each table and model: mean ± standard deviation over
the seeds of AUC and log loss of the test rows, log loss of the validation rows (choices are made by this one), and CPU
seconds of training, user and system, of all threads. For ours these are the backend's during ctr_train, the scan of the
table included; for the peers the process's, from the table in memory to the trees.

Nothing here depends on a table's name or columns. The metrics are computed here, for all alike.
"""
import io
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys

import boosted_trees

BENCH = pathlib.Path(__file__).resolve().parent
SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "1 2 3").split()]
THREADS = int(os.environ.get("THREADS") or os.cpu_count())
SETTINGS = f"SET ctr.threads = {THREADS}; SET maintenance_work_mem = '2GB'; SET max_parallel_workers_per_gather = 0; " \
           "SET synchronize_seqscans = off; SET jit = off; SET client_min_messages = error;\n"
# utime and stime, the 14th and 15th field, of all threads; the name in the 2nd field may have blanks
CPU = "(SELECT (f[12]::float8 + f[13]::float8) / {} FROM regexp_split_to_array(regexp_replace(" \
      "pg_read_file('/proc/self/stat'), '^.*\\) ', ''), ' ') f)".format(os.sysconf("SC_CLK_TCK"))


class Failed(Exception):
    """Why a model has no figures on a table."""


# ------------------------------------------------------------------ metrics

def auc(labels, scores):
    """Area under the ROC curve; scores that tie count half."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        ranks += (start + end + 1) / 2 * sum(labels[i] for i in order[start:end])
        start = end
    positive = sum(labels)
    return (ranks - positive * (positive + 1) / 2) / (positive * (len(labels) - positive))


def log_loss(labels, scores):
    """Mean of -log p(label), with probabilities kept the float8 epsilon away from 0 and 1 as scikit-learn does."""
    least = sys.float_info.epsilon
    inside = [min(max(p, least), 1 - least) for p in scores]
    return -math.fsum(math.log(p if y else 1 - p) for y, p in zip(labels, inside)) / len(labels)


def self_test():
    draw = random.Random(1)
    labels = [int(draw.random() < 0.3) for _ in range(5000)]
    cases = {
        "without ties": [draw.random() for _ in labels],
        "many ties": [round(0.3 * y + 0.7 * draw.random(), 1) for y in labels],
        "0 and 1": [float(draw.random() < 0.5) for _ in labels],
        "constant": [0.25 for _ in labels],
    }
    try:
        from sklearn import metrics
    except ImportError:
        sys.exit("scikit-learn is absent: nothing to compare with")
    for name, scores in cases.items():
        for ours, theirs in ((auc, metrics.roc_auc_score), (log_loss, metrics.log_loss)):
            a, b = ours(labels, scores), theirs(labels, scores)
            if not math.isclose(a, b, rel_tol=1e-12):
                sys.exit(f"{ours.__name__} of scores {name}: {a}, scikit-learn's is {b}")
    print(f"auc and log_loss equal scikit-learn's on scores {', '.join(cases)}")


# ------------------------------------------------------------------ tables, in the database

def psql(script, data=None):
    """The output of a script in one session; `data`, bytes in COPY's format, is for the COPY that ends the script."""
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"],
                          input=(SETTINGS + script).encode() + (data or b""), capture_output=True)
    if done.returncode != 0:
        raise Failed(done.stderr.decode().strip())
    return done.stdout.decode()


def unpacked(path):
    """The bytes of a file, gzipped or not."""
    import gzip
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return file.read()


class Table:
    """Tables `train` and `test` in a schema of their own."""
    count = 0

    def __init__(self, name):
        Table.count += 1
        self.name, self.schema, self.best = name, f"bench_table_{Table.count}", None
        psql(f"CREATE SCHEMA {self.schema};")

    def describe(self):
        """Finds the columns: numbers are those of a type that PostgreSQL counts among them, anything else a category."""
        rows = psql(f"SELECT quote_ident(attname), typcategory FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
                    f"WHERE attrelid = '{self.schema}.train'::regclass AND attnum > 0 AND NOT attisdropped "
                    "AND attname <> 'label' ORDER BY attnum;").splitlines()
        self.columns = [row.rsplit("|", 1) for row in rows]
        self.sizes = [int(psql(f"SELECT count(*) FROM {self.schema}.{part};")) for part in ("train", "test")]
        psql(f"ANALYZE {self.schema}.train, {self.schema}.test;")
        self.labels = [int(y) for y in psql(f"SELECT label::int FROM {self.schema}.test;").split()]
        return self

    def frames(self):
        """For the peers: features and labels of train, features of test, and the names of the categories' columns."""
        import pandas as pd
        names = [f"x{k}" for k in range(len(self.columns))]
        categories = [name for name, (_, kind) in zip(names, self.columns) if kind != "N"]
        wanted = ", ".join(f"{column}::{'float8' if kind == 'N' else 'text'}" for column, kind in self.columns)
        frames = []
        for part in ("train", "test"):
            text = psql(f"COPY (SELECT label::int, {wanted} FROM {self.schema}.{part}) TO STDOUT;")
            # quoting 3: none. COPY's escapes may stay: they spell every text in one way.
            frames.append(pd.read_csv(
                io.StringIO(text), sep="\t", lineterminator="\n", quoting=3, header=None, names=["label", *names],
                keep_default_na=False, na_values={name: ["\\N"] if name in categories else ["\\N", "NaN"] for name in names},
                dtype={name: object if name in categories else "float64" for name in names}))
        train, test = frames
        return train[names], train["label"].to_numpy("float32"), test[names], categories


def folder_tables(folder):
    for path in sorted(path.parent for path in pathlib.Path(folder).glob("*/columns.sql")):
        table = Table(path.name)
        for part in ("train", "test"):
            psql(f"CREATE TABLE {table.schema}.{part} ({(path / 'columns.sql').read_text()});")
            psql(f"COPY {table.schema}.{part} FROM STDIN;\n", unpacked(path / f"{part}.tsv.gz"))
        yield table.describe()


def shares(table, columns, source):
    """The first 80 % of the rows of `source` train, the others test."""
    for part, which in (("train", "<="), ("test", ">")):
        psql(f"CREATE TABLE {table.schema}.{part} AS SELECT {columns} FROM {source} "
             f"WHERE id {which} (SELECT max(id) * 8 / 10 FROM {source}) ORDER BY id;")


CRITEO = ", ".join(["label", *(f"i{k}" for k in range(1, 14)), *(f"c{k}" for k in range(14, 40))])


def criteo_table(path):
    table = Table("Criteo")
    path_of = f"SET search_path = {table.schema}, public;\n"
    psql(path_of + (BENCH.parent / "demo/load.sql").read_text())
    psql(path_of + f"COPY criteo ({CRITEO}) FROM STDIN (NULL '');\n", unpacked(pathlib.Path(path)))
    shares(table, CRITEO, f"{table.schema}.criteo")
    return table.describe()


def planted_table(rows):
    table = Table("planted")
    psql(f"SET search_path = {table.schema}, public;\n\\set rows {rows * 5 // 4}\n"
         f"\\i {BENCH.parent}/demo/generate.sql\n")
    shares(table, CRITEO, f"{table.schema}.criteo")
    table = table.describe()
    table.best = [float(p) for p in psql(
        f"SELECT p FROM {table.schema}.criteo_truth WHERE id > (SELECT max(id) * 8 / 10 FROM {table.schema}.criteo) "
        "ORDER BY id;").split()]
    return table


# ------------------------------------------------------------------ models

def architectures():
    """Those of this build."""
    return psql("SELECT unnest(architectures) FROM ctr_options() WHERE option = 'architecture';").split()


def ours(table, architecture, seed):
    """AUC, log loss, validation log loss, CPU seconds."""
    options = f"jsonb_build_object('architecture', '{architecture}', 'seed', {seed})"
    options = " || ".join([options, *filter(None, [os.environ.get("OPTIONS")])])
    lines = psql(f"SELECT {CPU} AS before \\gset\n"
                 f"CREATE TEMP TABLE m AS SELECT ctr_train(r, {options}) AS model FROM {table.schema}.train r;\n"
                 f"SELECT {CPU} - :before;\n"
                 "SELECT val_loss FROM m, ctr_history(model) WHERE is_best;\n"
                 f"SELECT ctr_predict_batch((SELECT model FROM m), r) OVER () FROM {table.schema}.test r;\n").splitlines()
    scores = [float(line) for line in lines[2:]]
    return auc(table.labels, scores), log_loss(table.labels, scores), float(lines[1]), float(lines[0])


def peer(table, name, seed):
    seconds, known, validation, tested = boosted_trees.fit(name, *table.inputs[:2], table.inputs[3], table.inputs[2],
                                                           seed, THREADS)
    scores = tested.tolist()
    return (auc(table.labels, scores), log_loss(table.labels, scores), log_loss(known.tolist(), validation.tolist()),
            seconds)


def cell(values, digits):
    """The mean, and the standard deviation where there is one."""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def measure(table, model, versions):
    """Prints the row of a model; whether there are figures."""
    if model in boosted_trees.LIBRARIES:
        name = f"{model} {versions[model]}"
        train = peer
    else:
        name = f"ctr, {model}"
        train = ours
    shown = f"{table.name} ({table.sizes[0]:,} / {table.sizes[1]:,})"
    try:
        figures = list(zip(*(train(table, model, seed) for seed in SEEDS)))
    except Exception as error:  # whatever a library raises: the other rows are still worth having
        row(shown, name, f"failed: {' '.join(str(error).split())}", "", "", "")
        return False
    row(shown, name, *(cell(values, 4) for values in figures[:3]), cell(figures[3], 1))
    return True


# ------------------------------------------------------------------ the whole

def chosen(known):
    """The models to measure, and the versions of the libraries that are there; says which are absent."""
    wanted = os.environ.get("MODELS", "").split() or known
    for name in set(wanted) - set(known):
        sys.exit(f"MODELS: there is no \"{name}\", but {', '.join(known)}")
    versions = {name: boosted_trees.version(name) for name in boosted_trees.LIBRARIES if name in wanted}
    for name, number in versions.items():
        if number is None:
            needed = boosted_trees.LIBRARIES[name][1]
            print(f"{name} was left out: {sys.executable} lacks one of {needed}, pandas, numpy.")
    return [name for name in wanted if versions.get(name, "") is not None], versions


def tables(folder):
    """The tables that were asked for, each loaded when its turn comes."""
    if folder:
        yield from folder_tables(folder)
    if os.environ.get("CRITEO"):
        yield criteo_table(os.environ["CRITEO"])
    if os.environ.get("PLANTED"):
        yield planted_table(int(os.environ["PLANTED"]))


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    folder = next(iter(sys.argv[1:]), "")
    for given, option, rows in ((folder, "TABLES=folder", "tables of your own"),
                                (os.environ.get("CRITEO"), "CRITEO=path", "Criteo's rows"),
                                (os.environ.get("PLANTED"), "PLANTED=rows", "the demo's planted rows")):
        if not given:
            print(f"{option} was not given: {rows} are left out.")
    psql("CREATE EXTENSION IF NOT EXISTS ctr;")
    models, versions = chosen(architectures() + list(boosted_trees.LIBRARIES))
    print(f"Seeds {' '.join(map(str, SEEDS))}; {THREADS} threads; options of ours besides the defaults: "
          f"{os.environ.get('OPTIONS') or 'none'}.\n")
    row("table (rows train / test)", "model", "test AUC", "test log loss", "validation log loss", "CPU seconds")
    row(*["---"] * 6)
    good = True
    for table in tables(folder):
        if table.best:
            row(table.name, "best possible", f"{auc(table.labels, table.best):.4f}",
                f"{log_loss(table.labels, table.best):.4f}", "", "")
        table.inputs = table.frames() if versions and any(versions.values()) else None
        for model in models:
            good = measure(table, model, versions) and good
        psql(f"DROP SCHEMA {table.schema} CASCADE;")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

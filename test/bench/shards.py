#!/usr/bin/env python3
"""Held-out quality of trainings on parts of a table beside one training on all of it: the part `shards` of bench.sh.

    test/server run test/bench/shards.py CRITEO      a file of Criteo's rows, of which the first 80 % train and the last
                                                     20 % test

Parts are made by a hash of the row, as many as SHARDS says, and, where SPLIT names a column, as many by a hash of that
column: then what a part sees is not like the rest. All have DCN-matrix with its defaults. Every part trains an epoch in
each round, at a learning rate that falls from round to round on one cosine, and their average is the model of the next
round. The first rounds measure on rows held back; then these rows train, too.

Settings, as environment variables: SEEDS ("1 2 3"), SHARDS ("4 8"), SPLIT (c15; empty: none), ROUNDS (10), MEASURED (0.3:
share of the rounds in which rows are held back), MOMENTUM (0: of ctr_step), BATCH (0.67: batches have the default's 512
rows divided by the number of parts to this power), OPTIONS (an SQL expression of options besides the defaults).

Prints one Markdown table: for each set-up AUC and log loss of the test rows, mean ± standard deviation over the seeds,
how far that AUC is from one machine's, and seconds of a training, all parts one after the other.
"""
import gzip
import math
import os
import statistics
import subprocess
import sys
import time

SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "1 2 3").split()]
SHARDS = [int(n) for n in os.environ.get("SHARDS", "4 8").split()]
SPLIT = os.environ.get("SPLIT", "c15")
ROUNDS = int(os.environ.get("ROUNDS", "10"))
MEASURED, MOMENTUM, BATCH = (float(os.environ.get(name, default))
                             for name, default in (("MEASURED", "0.3"), ("MOMENTUM", "0"), ("BATCH", "0.67")))
OPTIONS = os.environ.get("OPTIONS", "'{}'")
RATE, ROWS_OF_STEP = 0.002, 512  # the defaults of DCN-matrix
SETTINGS = "SET client_min_messages = error; SET max_parallel_workers_per_gather = 0; SET jit = off; " \
           "SET maintenance_work_mem = '1GB';\n"
FIELDS = ["label"] + [f"i{k}" for k in range(1, 14)] + [f"c{k}" for k in range(14, 40)]


def psql(script, data=None):
    """Runs statements in a session of their own; their output's lines. data: what a COPY at their end reads."""
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"] + (["-c", SETTINGS, "-c", script] if data else [])
    done = subprocess.run(command, input=data or (SETTINGS + script).encode(), capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr.decode())
    return done.stdout.decode().splitlines()


def load(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        rows = file.read()
    psql("CREATE EXTENSION IF NOT EXISTS ctr; CREATE TABLE criteo (id bigint GENERATED ALWAYS AS IDENTITY, label smallint, " +
         ", ".join(f"{name} {'int' if name[0] == 'i' else 'text'}" for name in FIELDS[1:]) + ");")
    psql(f"COPY criteo ({', '.join(FIELDS)}) FROM STDIN (NULL '')", rows)
    train = "id <= (SELECT max(id) * 8 / 10 FROM criteo)"
    psql(f"""CREATE TABLE test AS SELECT * FROM criteo WHERE NOT {train} ORDER BY id;
        CREATE TABLE train AS SELECT *, 0::bigint AS part FROM criteo WHERE {train} ORDER BY id;
        CREATE TABLE run (model ctr_model, velocity ctr_model);""")


def divide(parts, column):
    """Gives each training row its part."""
    hashed = f"hashtext(coalesce({column}, ''))" if column else f"hashtext(ROW({', '.join(FIELDS)})::text)"
    psql(f"UPDATE train SET part = abs({hashed}::bigint) % {parts}; VACUUM FULL train;")


def options(seed, more="'{}'"):
    return f"(ctr_deepcross() || ctr_fit(ignore => '{{id,part}}', seed => {seed}) || {OPTIONS} || {more})"


def one_machine(seed):
    psql(f"DELETE FROM run; INSERT INTO run SELECT ctr_train(t, {options(seed)}) FROM train t;")


def prepare(seed):
    """The start that the parts have in common, in as many passes as it takes."""
    psql(f"""DELETE FROM run;
        INSERT INTO run SELECT ctr_merge(p) FROM (SELECT ctr_prepare(t, {options(seed)}) AS p FROM train t GROUP BY part) s;""")
    while psql("SELECT ctr_config(model)->>'weights' FROM run;") == ["prepared"]:
        psql("""UPDATE run SET model = m FROM (SELECT ctr_merge(p) AS m FROM
            (SELECT ctr_prepare(t, NULL, model) AS p FROM train t, run GROUP BY part) s) u;""")


def rounds(seed, parts):
    prepare(seed)
    for number in range(ROUNDS):
        rate = RATE * (1 + math.cos(math.pi * (number + 0.5) / ROUNDS)) / 2
        more = f"ctr_fit(epochs => 1, lr_schedule => 'constant', learning_rate => {rate:.8f}, " \
               f"batch_size => {round(ROWS_OF_STEP / parts ** BATCH)}" \
               f"{', validation => 0' if number >= MEASURED * ROUNDS else ''})"
        psql(f"""UPDATE run SET model = s.model, velocity = s.velocity FROM
            (SELECT ctr_merge(p) AS merged FROM (SELECT ctr_train(t, {options(seed, more)}, model) AS p FROM train t, run GROUP BY part) a) m,
            run r, ctr_step(r.model, merged, r.velocity, {MOMENTUM}) s;""")


def measure(train, *arguments):
    """AUC and log loss of the test rows, and seconds, of each seed."""
    results = []
    for seed in SEEDS:
        start = time.perf_counter()
        train(seed, *arguments)
        seconds = time.perf_counter() - start
        line = psql("SELECT e.auc, e.loss FROM (SELECT (ctr_evaluate(model, t)).* FROM test t, run) e;")[0]
        results.append((*map(float, line.split("|")), seconds))
    return list(zip(*results))


def spread(values):
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def report(name, results, whole):
    auc, loss, seconds = results
    gap = statistics.mean(auc) - statistics.mean(whole[0])
    print(f"| {name} | {spread(auc)} | {gap:+.4f} | {spread(loss)} | {statistics.mean(seconds):.0f} |", flush=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    load(sys.argv[1])
    print("| rows | test AUC | beside one machine | test log loss | seconds |")
    print("|---|---|---|---|---|", flush=True)
    whole = measure(one_machine)
    report("one machine", whole, whole)
    for parts in SHARDS:
        for column in [None] + ([SPLIT] if SPLIT else []):
            divide(parts, column)
            report(f"{parts} parts by {'a column' if column else 'hash'}, {ROUNDS} rounds", measure(rounds, parts), whole)


if __name__ == "__main__":
    main()

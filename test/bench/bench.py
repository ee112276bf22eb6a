#!/usr/bin/env python3
"""The parts of the benchmark that need a server: train, score, onnx, load, job, growth. See bench.sh, which starts it.

Ours is measured through psql on the server that the environment names; the peer, PyTorch, in this process, or, where it
trains, in one of its own.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
ROWS, SAMPLES, THREADS = (int(os.environ[name]) for name in ("ROWS", "SAMPLES", "THREADS"))
BATCH = 2048
COLUMNS = [f"i{k}" for k in range(1, 14)] + [f"c{k}" for k in range(14, 40)]
NETWORKS = {
    "vector": "ctr_deepcross(cross_type => 'vector')",
    "matrix": "ctr_deepcross(cross_type => 'matrix')",
    "mix": "ctr_deepcross(cross_type => 'mix')",
    "field_all": "ctr_fibinet(bilinear_type => 'field_all')",
    "field_each": "ctr_fibinet(bilinear_type => 'field_each')",
    "field_interaction": "ctr_fibinet()",
}
SETTINGS = f"SET ctr.threads = {THREADS}; SET maintenance_work_mem = '2GB'; SET max_parallel_workers_per_gather = 0; " \
           "SET jit = off; SET client_min_messages = warning;"

try:
    import numpy as np
    import torch
    torch.set_num_threads(THREADS)
except ImportError:
    torch = None


# ------------------------------------------------------------------ measuring

def psql(script):
    """Runs a script in one session; its output's lines."""
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=SETTINGS + script, text=True,
                          capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.splitlines()


def seconds(script):
    """The time of each statement after the settings, in one session."""
    lines = psql("\n\\timing on\n" + script)
    return [float(re.match(r"Time: ([0-9.]+) ms", line)[1]) / 1000 for line in lines if line.startswith("Time: ")]


def spread(values, scale=1.0, digits=0):
    low, middle, high = min(values), statistics.median(values), max(values)
    return "{:,.{d}f} ({:,.{d}f} … {:,.{d}f})".format(middle * scale, low * scale, high * scale, d=digits)


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def header(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def compare(name, ours, *peers, absent="PyTorch is absent"):
    """A row: our rates, then those of each peer and the quotients; one sample of each side in turn."""
    mine, others = [], [[] for _ in peers]
    for _ in range(SAMPLES):
        mine.append(ours())
        for peer, rates in zip(peers, others):
            if peer:
                rates.append(peer())
    cells = []
    for rates in others:
        quotients = [a / b for a, b in zip(mine, rates)]
        cells += [spread(rates), spread(quotients, digits=1)] if rates else [absent, ""]
    row(name, spread(mine), *cells)


def load_table(name, rows, share=1.0, first=0):
    columns = ", ".join(f"{c} {'int' if c[0] == 'i' else 'text'}" for c in COLUMNS)
    psql("CREATE EXTENSION IF NOT EXISTS ctr;"
         "CREATE TABLE IF NOT EXISTS models (name text PRIMARY KEY, model ctr_model);"
         f"CREATE TABLE {name} (label smallint, {columns});")
    copy = f"psql -XAtq -c \"\\copy {name} FROM stdin WITH (NULL '')\""
    subprocess.run(f"{HERE}/build/rows {first} {rows} {share} | {copy}", shell=True, check=True)
    psql(f"VACUUM ANALYZE {name};")


def categories(name):
    """Distinct values of every category column, as codes 0 and 1 besides."""
    counts = ", ".join(f"count(DISTINCT {c}) + 2" for c in COLUMNS[13:])
    return [int(n) for n in psql(f"SELECT {counts} FROM {name};")[0].split("|")]


# ------------------------------------------------------------------ the peer

def reference_network(name, sizes):
    import runpy
    classes = runpy.run_path(str(HERE.resolve().parents[1] / "python" / "ctr_torch.py"))
    torch.manual_seed(1)
    if name.startswith("field"):
        return classes["FiBiNET"](13, sizes, 8, [128, 64, 32], 0.25, bilinear_type=name)
    return classes["DeepCross"](13, sizes, cross_type=name)


class Peer:
    """PyTorch on tensors in memory, whole batches."""

    def __init__(self, name, sizes, batches=16, fused=None):
        self.net, self.batches, self.step = reference_network(name, sizes), batches, 0
        n = BATCH * batches
        popular = torch.rand(n, 1) < 0.5  # as in rows.h: half of the rows draw from a heavy tail
        u = torch.rand(n, len(sizes), dtype=torch.float64)
        self.x_cat = (torch.where(popular, u ** 4, u) * torch.tensor(sizes)).long()
        self.x_num, self.label = torch.rand(n, 13), (torch.rand(n) < 0.25).float()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.002, weight_decay=0.001, fused=fused)

    def batch(self):
        first = self.step % self.batches * BATCH
        self.step += 1
        return slice(first, first + BATCH)

    def train_rate(self, least=3.0):
        """rows/s over steps that take `least` seconds"""
        self.net.train()
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < least:
            rows = self.batch()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                self.net((self.x_num[rows], self.x_cat[rows])), self.label[rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            steps += 1
        return steps * BATCH / (time.perf_counter() - start)

    def score_rate(self, least=2.0):
        self.net.eval()
        start, steps, total = time.perf_counter(), 0, 0.0
        with torch.inference_mode():
            while time.perf_counter() - start < least:
                rows = self.batch()
                total += torch.sigmoid(self.net((self.x_num[rows], self.x_cat[rows]))).sum().item()
                steps += 1
        return steps * BATCH / (time.perf_counter() - start)


class PeerProcess:
    """
    A Peer that trains in a process of its own. tuned: as somebody who knows PyTorch well runs it. Adam is one fused
    kernel; and the C library keeps the memory of the embeddings' gradients, which it otherwise, at every step, gives back
    to the system and gets again page by page.
    """

    KEEP = {"MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}

    def __init__(self, name, sizes, tuned):
        self.process = subprocess.Popen([sys.executable, __file__, "peer", name, "tuned" if tuned else ""], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=os.environ | (self.KEEP if tuned else {}))
        self.ask(json.dumps(sizes))

    def ask(self, line=""):
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()

    def train_rate(self):
        return float(self.ask())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def serve_peer(name, tuned):
    """The other end: sizes come as the first line, then a line for each measurement."""
    peer = Peer(name, json.loads(sys.stdin.readline()), fused=bool(tuned) or None)
    print(peer.train_rate(0), flush=True)
    for _ in sys.stdin:
        print(peer.train_rate(), flush=True)


# ------------------------------------------------------------------ train

def training(network, options, recipe="reference"):
    return f"ctr_train(c, {network} || ctr_fit(recipe => '{recipe}', {options}))"


def epoch_rate(network, table, recipe="reference"):
    """Training rows per second of an epoch: batches gathered, steps, training AUC, sync, a small validation."""
    trained = training(network, "validation => 0.002, epochs => 1", recipe)
    line = psql(f"WITH m AS MATERIALIZED (SELECT {trained} AS model, count(*) AS n FROM {table} c) "
                "SELECT 0.998 * n / h.seconds FROM m, ctr_history(model) h;")
    return float(line[0])


def train():
    load_table("criteo", ROWS)
    sizes = categories("criteo")
    print(f"{ROWS:,} rows, {sum(sizes):,} categories, batch {BATCH}, reference recipe. "
          "rows/s: median (least … most).\n")
    header("network", "ctr_train", "PyTorch " + (torch.__version__ if torch else ""), "quotient",
           "PyTorch, tuned", "quotient")
    for name in os.environ.get("NETS", " ".join(NETWORKS)).split():
        peers = [PeerProcess(name, sizes, tuned) for tuned in (False, True)] if torch else []
        compare(name, lambda: epoch_rate(NETWORKS[name], "criteo"), *([p.train_rate for p in peers] or [None, None]))
        for peer in peers:
            peer.stop()
    compare("matrix, default recipe: batch 512, derived inputs",
            lambda: epoch_rate(NETWORKS["matrix"], "criteo", "robust"), None, None, absent="not compared")


# ------------------------------------------------------------------ score

PLPYTHON = """
CREATE EXTENSION IF NOT EXISTS plpython3u;
CREATE OR REPLACE FUNCTION py_predict(c criteo) RETURNS float8 LANGUAGE plpython3u AS $$
if "net" not in GD:
    import sys
    sys.path.insert(0, "{torch_path}")
    import torch, numpy, pickle
    torch.set_num_threads(1)
    classes = {{}}
    exec(compile(open("{reference}").read(), "reference", "exec"), classes)
    state = pickle.load(open("{state}", "rb"))
    net = classes["DeepCross"](13, state["sizes"]).eval()
    GD.update(net=net, torch=torch, np=numpy, **state)
torch, np = GD["torch"], GD["np"]
x_num = [np.interp(0.0 if c[k] is None else c[k], q, GD["grid"]) for k, q in zip(GD["numbers"], GD["quantiles"])]
x_cat = [1 if c[k] is None else v.get(c[k], 0) for k, v in zip(GD["names"], GD["vocabularies"])]
with torch.inference_mode():
    return float(torch.sigmoid(GD["net"]((torch.tensor([x_num], dtype=torch.float32), torch.tensor([x_cat])))))
$$;
"""


def plpython(directory):
    """Sets up a PL/Python function that keeps network and vocabularies in GD. Returns why it cannot, or None."""
    import pickle
    path = os.environ.get("TORCH_PATH")
    if not torch or not path:
        return "absent (TORCH_PATH)"
    if not psql("SELECT 1 FROM pg_available_extensions WHERE name = 'plpython3u';"):
        return "absent (plpython3u)"
    vocabularies = [{v: i + 2 for i, v in enumerate(psql(f"SELECT DISTINCT {c} FROM criteo WHERE {c} IS NOT NULL;"))}
                    for c in COLUMNS[13:]]
    state = {"sizes": [len(v) + 2 for v in vocabularies], "vocabularies": vocabularies, "names": COLUMNS[13:],
             "numbers": COLUMNS[:13], "grid": np.linspace(0, 1, 1000),
             "quantiles": [np.sort(np.random.rand(1000) * 100)] * 13}
    with open(f"{directory}/state.pickle", "wb") as file:
        pickle.dump(state, file)
    (pathlib.Path(directory) / "reference.py").write_text((HERE.resolve().parents[1] / "python" / "ctr_torch.py").read_text())
    os.chmod(directory, 0o755)
    psql(PLPYTHON.format(torch_path=path, reference=f"{directory}/reference.py", state=f"{directory}/state.pickle"))
    return None


def plpython_rate(rows=3000):
    """Rows/s once the session has loaded torch, network and vocabularies."""
    times = seconds("SELECT py_predict(c) FROM criteo c LIMIT 1;\n"
                    f"SELECT sum(py_predict(c)) FROM (SELECT * FROM criteo LIMIT {rows}) c;")
    return rows / times[1]


def model(name, network, rows="criteo", recipe="reference"):
    trained = training(network, "validation => 0, epochs => 1, max_seconds => 10", recipe)
    psql(f"INSERT INTO models SELECT '{name}', {trained} FROM {rows} c;")


def scoring_rate(function, name, table, rows):
    """Rows/s of a whole scan, the second of a session."""
    call = f"{function}(m.model, c){' OVER ()' if function.endswith('batch') else ''}"
    statement = f"SELECT sum(p) FROM (SELECT {call} AS p FROM models m, {table} c WHERE m.name = '{name}') s;\n"
    return rows / seconds(statement + statement)[1]


def one_row_cost(of):
    """Microseconds of ctr_predict in a one-row query, above the query without it: prepared, model warm."""
    prepare = "".join(f"PREPARE {name} AS SELECT {call} FROM models m, (SELECT * FROM one) c WHERE m.name = '{of}';\n"
                      for name, call in (("scored", "ctr_predict(m.model, c)"), ("bare", "(c).label + length(m.name)")))
    times = seconds(prepare + "EXECUTE scored;\nEXECUTE bare;\n" * 2000)[4:]
    return [1e6 * (a - b) for a, b in zip(times[0::2], times[1::2])]


def first_calls():
    """Seconds of the first ctr_predict of a new backend, above the same query without it."""
    query = "SELECT {} FROM models m, (SELECT * FROM one) c WHERE m.name = 'first';"
    return [seconds(query.format("ctr_predict(m.model, c)"))[0] - seconds(query.format("(c).label"))[0]
            for _ in range(2 * SAMPLES)]


def score():
    load_table("criteo", ROWS)
    sizes, small = categories("criteo"), min(ROWS, 50000)
    psql(f"CREATE TABLE small AS SELECT * FROM criteo LIMIT {small}; CREATE TABLE one AS SELECT * FROM criteo LIMIT 1;"
         "VACUUM ANALYZE small; VACUUM ANALYZE one;")
    model("matrix", NETWORKS["matrix"])
    model("field_each", NETWORKS["field_each"])
    model("default", NETWORKS["matrix"], recipe="robust")
    model("first", NETWORKS["matrix"], f"(SELECT * FROM criteo LIMIT {int(0.75 * ROWS)})")
    print("rows/s: median (least … most). One backend, raw rows; PyTorch: encoded tensors, batch 2048, "
          f"{THREADS} threads.\n")
    header("what", "ours", "PyTorch " + (torch.__version__ if torch else ""), "quotient")
    for function, name, table, rows in (("ctr_predict", "matrix", "criteo", ROWS),
                                        ("ctr_predict_batch", "matrix", "criteo", ROWS),
                                        ("ctr_predict_batch", "field_each", "small", small)):
        peer = Peer(name, sizes) if torch else None
        if peer:
            peer.score_rate(0)
        compare(f"{function}, {name}", lambda: scoring_rate(function, name, table, rows), peer and peer.score_rate)
    for function in ("ctr_predict", "ctr_predict_batch"):
        compare(f"{function}, matrix, default recipe", lambda: scoring_rate(function, "default", "criteo", ROWS), None,
                absent="not compared")
    with tempfile.TemporaryDirectory() as directory:
        absent = plpython(directory)
        compare("ctr_predict, matrix; peer: PL/Python + PyTorch per row",
                lambda: scoring_rate("ctr_predict", "matrix", "small", small),
                None if absent else plpython_rate, absent=absent)

    print()
    header("what", "measured")
    for name, recipe in (("default", "default recipe, "), ("first", "")):
        costs = sorted(one_row_cost(name))
        megabytes = int(psql(f"SELECT octet_length(model::bytea) FROM models WHERE name = '{name}';")[0]) / 1e6
        row(f"ctr_predict, one-row query, {recipe}warm model of {megabytes:.0f} MB",
            "{:.1f} µs (quartiles {:.1f} … {:.1f})".format(*(costs[len(costs) * k // 4] for k in (2, 1, 3))))
    row(f"first ctr_predict of a backend, {megabytes:.0f} MB", spread(first_calls(), 1000) + " ms")


# ------------------------------------------------------------------ onnx

class OnnxPeer:
    """onnxruntime on what ctr_to_onnx and ctr_encode give: encoded rows in memory, whole batches."""

    def __init__(self, name, table, batches=16):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        file = bytes.fromhex(psql(f"SELECT encode(ctr_to_onnx(model), 'hex') FROM models WHERE name = '{name}';")[0])
        self.session = onnxruntime.InferenceSession(file, options)
        lines = psql("SELECT array_to_string(x_num, ' '), array_to_string(x_cat, ' ') FROM models, "
                     f"(SELECT * FROM {table} LIMIT {batches * BATCH}) c, ctr_encode(model, c) WHERE name = '{name}';")
        columns = [np.array([part.split() for part in column], kind)
                   for column, kind in zip(zip(*(line.split("|") for line in lines)), (np.float32, np.int64))]
        self.batches = [dict(zip(("x_num", "x_cat"), (c[i:i + BATCH] for c in columns)))
                        for i in range(0, len(lines), BATCH)]

    def rate(self, least=2.0):
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < least:
            self.session.run(["probability"], self.batches[steps % len(self.batches)])
            steps += 1
        return steps * BATCH / (time.perf_counter() - start)


def onnx():
    import onnxruntime
    load_table("criteo", ROWS)
    small = min(ROWS, 200000)
    psql(f"CREATE TABLE small AS SELECT * FROM criteo LIMIT {small}; VACUUM ANALYZE small;")
    print(f"rows/s: median (least … most), {THREADS} threads both. Ours: raw rows of a table; onnxruntime "
          f"{onnxruntime.__version__}: rows that are encoded already, batch {BATCH}.\n")
    header("ctr_predict_batch of", "ours", "onnxruntime", "quotient")
    for name, network, recipe in (("matrix", "matrix", "reference"), ("field_each", "field_each", "reference"),
                                  ("matrix, default recipe", "matrix", "robust")):
        model(name, NETWORKS[network], recipe=recipe)
        peer = OnnxPeer(name, "small")
        peer.rate(0)
        compare(name, lambda: scoring_rate("ctr_predict_batch", name, "small", small), peer.rate)


# ------------------------------------------------------------------ load

def load():
    """What reading a row costs. A training that stops after its first batch is all reading and encoding."""
    load_table("criteo", ROWS)
    trained = training(NETWORKS["matrix"], "validation => 0, epochs => 1, max_seconds => 0.001")
    statements = {
        "scan alone": "SELECT count(*) FROM criteo c",
        "whole-row argument": "SELECT count(c) FROM criteo c",
        "COPY to a client": "COPY criteo TO STDOUT",
        "ctr_train up to its first batch": f"SELECT {trained} IS NULL FROM criteo c",
    }
    times = {name: [] for name in statements}
    for _ in range(SAMPLES):
        for name, statement in statements.items():
            times[name].append(seconds(f"\\o /dev/null\n{statement};\n\\o\n")[0])
    header("what", "µs per row")
    for name, samples in times.items():
        row(name, spread(samples, 1e6 / ROWS, 2))


# ------------------------------------------------------------------ job

def peer_job(steps):
    """The table out by COPY, pandas, scikit-learn; PyTorch, 3 epochs. Seconds of both, training's extrapolated."""
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import LabelEncoder, QuantileTransformer
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/rows.csv"
        subprocess.run(["psql", "-XAtq", "-c", f"\\copy criteo TO '{path}' WITH (FORMAT csv, HEADER)"], check=True)
        frame = pd.read_csv(path, dtype={c: str for c in COLUMNS[13:]})
    codes = np.stack([LabelEncoder().fit_transform(frame[c].fillna("")) for c in COLUMNS[13:]], axis=1)
    numbers = make_pipeline(SimpleImputer(), QuantileTransformer()).fit_transform(frame[COLUMNS[:13]])
    net = reference_network("matrix", [int(n) + 1 for n in codes.max(axis=0)])
    x_num, x_cat = torch.from_numpy(numbers).float(), torch.from_numpy(codes)
    label = torch.from_numpy(frame["label"].to_numpy(np.float32))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002, weight_decay=0.001)
    prepared = time.perf_counter() - start
    rows_done = 0
    for _ in range(3):
        for rows in torch.randperm(len(label)).split(BATCH)[:steps or None]:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net((x_num[rows], x_cat[rows])), label[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rows_done += len(rows)
    trained = time.perf_counter() - start - prepared
    return prepared, trained * 3 * len(label) / rows_done


def job():
    steps = int(os.environ.get("JOB_STEPS", 20))
    load_table("criteo", ROWS)
    mine, prepared, trained = [], [], []
    for i in range(max(SAMPLES // 2, 1)):
        model = training(NETWORKS["matrix"], "validation => 0, epochs => 3")
        mine += seconds(f"INSERT INTO models SELECT 'job{i}', {model} FROM criteo c;")
        if torch:
            for samples, value in zip((prepared, trained), peer_job(steps)):
                samples.append(value)
    print(f"{ROWS:,} rows, DCN-matrix, 3 epochs; seconds." +
          (f" PyTorch ran {steps} steps of each epoch, the rest is extrapolated." if steps else "") + "\n")
    header("what", "ctr_train", "COPY, pandas, scikit-learn", "PyTorch", "quotient")
    if torch:
        quotients = [(a + b) / c for a, b, c in zip(prepared, trained, mine)]
        row("table to model", spread(mine, digits=1), spread(prepared, digits=1), spread(trained, digits=1),
            spread(quotients, digits=1))
    else:
        row("table to model", spread(mine, digits=1), "absent", "absent", "")


# ------------------------------------------------------------------ growth

def grow(title, rows, share):
    load_table("grown", rows, share)
    lines = psql(f"\n\\timing on\nINSERT INTO models SELECT 'grown', "
                 f"{training(NETWORKS['matrix'], 'validation => 0, epochs => 1')} FROM grown c;\n\\timing off\n"
                 "SELECT substring(pg_read_file('/proc/self/status') from 'VmHWM:\\s*(\\d+)');\n"
                 "SELECT h.seconds, octet_length(model::bytea), (SELECT sum(categories) FROM ctr_features(model)) "
                 "FROM models m, ctr_history(model) h WHERE name = 'grown';\n")
    total = float(lines[0].split()[1]) / 1000
    epoch, size, categories = lines[2].split("|")
    row(title, f"{int(categories):,}", f"{total:.1f}", f"{total - float(epoch):.1f}",
        f"{1e6 * float(epoch) / rows:.2f}", f"{int(lines[1]) / 1024:,.0f}", f"{int(size) / 1e6:,.0f}")
    psql("DROP TABLE grown; DELETE FROM models;")


def growth():
    print("DCN-matrix, reference recipe, one epoch; maintenance_work_mem 2GB. Memory: the backend's peak, shared buffers "
          "included.\n")
    header("rows", "categories", "ctr_train, s", "of which not the epoch, s", "epoch, µs per row", "memory, MB", "model, MB")
    for rows in os.environ.get("GROWTH_ROWS", "100000 1000000 10000000").split():
        grow(f"{int(rows):,}", int(rows), 1.0)
    for share in os.environ.get("GROWTH_SHARES", "0.006 0.06 0.6 100").split():
        grow(f"{ROWS:,}", ROWS, float(share))


if __name__ == "__main__":
    parts = {"train": train, "score": score, "onnx": onnx, "load": load, "job": job, "growth": growth, "peer": serve_peer}
    parts[sys.argv[1]](*sys.argv[2:])

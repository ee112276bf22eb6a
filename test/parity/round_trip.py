#!/usr/bin/env python3
"""Weights to PyTorch and back: does either side say what the other says?

For every architecture, with one class and with three: train in the database (the server that PGHOST and PGPORT name,
extension installed), take the model into the class of the same mathematics with load_state_dict(strict=True), feed it
the 10,000 rows of ctr_encode, and compare probabilities with ctr_predict's. Then give the network new random weights,
bring them into the model with ctr_load_weights, and compare again. Needs torch, numpy and safetensors. Prints one line
a variant.

    test/server run python3 test/parity/round_trip.py [--reference FILE.md]

--reference takes the classes from the fenced Python code of a Markdown document instead of python/ctr_torch.py.
"""

import argparse
import io
import json
import subprocess
import sys

import safetensors.torch
import torch

from networks import ctr_torch, network_classes

TOLERANCE = 1e-5
ROWS = 10000

TABLE = f"""
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
DROP TABLE IF EXISTS round_trip, round_trip_models;
CREATE TABLE round_trip AS
SELECT (i * 7919 % 10 < CASE WHEN i % 3 = 0 THEN 7 ELSE 2 END)::int AS click, i * i % 3 AS class,
       nullif(i % 11, 0) AS n1, (i * 31 % 97)::float8 AS n2, 'a' || i * i % 5 AS c1, nullif('b' || i % 90, 'b7') AS c2,
       'c' || i % 3 AS c3, i % 4 > 0 AS trains
FROM generate_series(1, {ROWS}) i;
-- rows that training does not see, with categories that it does not know, and far numbers
UPDATE round_trip SET c2 = 'z' || n2, n1 = 1000 WHERE NOT trains AND n2 > 60;
CREATE TABLE round_trip_models (name text PRIMARY KEY, model ctr_model);
"""

TRAIN = """
SET client_min_messages = warning;
TRUNCATE round_trip_models;
INSERT INTO round_trip_models
SELECT 'trained', ctr_train(r, {options} || ctr_fit(label => '{label}', ignore => '{{click,class,trains}}',
    epochs => 1, min_count => 2, batch_size => 256, crosses => '{crosses}')) FROM round_trip r WHERE trains
"""

VARIANTS = (
    [("deepcross", {"cross_type": t, "stacked": s}) for t in ("matrix", "vector", "mix") for s in (True, False)]
    + [("fibinet", {"bilinear_type": t}) for t in ("field_all", "field_each", "field_interaction")]
    + [("deepfm", {}), ("wide_deep", {})]
)
# also trained with pairs of columns as categories
CROSSED = [(VARIANTS[0], 1), (VARIANTS[6], 1), (VARIANTS[9], 3), (VARIANTS[10], 1)]
CROSSES = '[["c1", "c2"], ["c2", "c3"]]'
# what weights may be stored as, and one variant that is brought back in each of them
DTYPES = [torch.float16, torch.bfloat16, torch.float64]


def psql(script):
    """The output of a script; an error ends the program."""
    result = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=script.encode(), capture_output=True)
    if result.returncode != 0:
        sys.exit(f"{script[:300]}: {result.stderr.decode()}")
    return result.stdout


def train(kind, arguments, n_classes, crosses):
    """Trains a model; (its bytes, its configuration)"""
    named = ", ".join(f"{k} => {json.dumps(v) if not isinstance(v, str) else repr(v)}"
                      for k, v in {**arguments, "n_classes": n_classes}.items())
    psql(TRAIN.format(options=f"ctr_{kind}({named})", crosses=CROSSES if crosses else "none",
                      label="click" if n_classes == 1 else "class"))
    model = psql("SELECT encode(model::bytea, 'hex') FROM round_trip_models")
    return bytes.fromhex(model.decode()), json.loads(psql("SELECT ctr_config(model) FROM round_trip_models"))


def score(name, n_classes):
    """(probabilities by ctr_predict, x_num, x_cat) of all rows"""
    columns = "ctr_predict(model, r)::real" if n_classes == 1 else ", ".join(
        f"(ctr_predict_classes(model, r))[{k + 1}]::real" for k in range(n_classes))
    rows = psql(f"COPY (SELECT {columns}, (ctr_encode(model, r)).* FROM round_trip r, round_trip_models "
                f"WHERE name = '{name}') TO STDOUT (FORMAT binary)")
    p, x_num, x_cat = ctr_torch.read_rows(io.BytesIO(rows))
    return (p[:, 0] if n_classes == 1 else p), x_num, x_cat


def difference(net, p, x_num, x_cat):
    with torch.no_grad():
        found = ctr_torch.probability(net.eval()((x_num, x_cat)))
    assert len(found) == ROWS
    assert found.std() > 1e-3, f"all rows have the same score: {found.min()} to {found.max()}"
    return (found - p).abs().max().item()


def randomize(net, x_num, x_cat):
    """New weights, nothing left at zero or one, and running statistics that fit them and the rows."""
    with torch.no_grad():
        for value in net.parameters():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape) * (0.5 if value.ndim == 1 else value.shape[-1] ** -0.5))
        for _ in range(20):
            net.train()((x_num, x_cat))


def load_weights(state):
    """Brings the weights into the model 'trained', as model 'loaded'. The file has its tensors in another order and
    metadata of its own."""
    state = {name: state[name].contiguous() for name in reversed(state)}
    weights = safetensors.torch.save(state, metadata={"format": "pt", "by": "round_trip"})
    psql(f"""DELETE FROM round_trip_models WHERE name = 'loaded';
        INSERT INTO round_trip_models
        SELECT 'loaded', ctr_load_weights(model, '\\x{weights.hex()}') FROM round_trip_models""")


def cast(state, dtype):
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}


class Report:
    failed = 0

    def line(self, name, largest):
        ok = largest <= TOLERANCE
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} - {name}: largest difference {largest:.1e}", flush=True)


def try_variant(report, classes, kind, arguments, n_classes, crosses=False, dtypes=()):
    model, config = train(kind, arguments, n_classes, crosses)
    net = ctr_torch.load(model)
    if classes:  # those of a document
        own = net.state_dict()
        ctr_torch.CLASSES[kind] = classes[ctr_torch.CLASSES[kind].__name__]
        net = ctr_torch.build(config)
        net.load_state_dict(own, strict=True)
    name = f"{kind} {arguments} n_classes={n_classes}{', crosses' if crosses else ''}"
    report.line(f"{name}, to PyTorch", difference(net, *score("trained", n_classes)))
    randomize(net, *score("trained", n_classes)[1:])
    load_weights(net.state_dict())
    report.line(f"{name}, from PyTorch", difference(net, *score("loaded", n_classes)))
    for dtype in dtypes:
        stored = cast(net.state_dict(), dtype)
        load_weights(stored)
        net.load_state_dict(cast(stored, torch.float32))
        report.line(f"{name}, from PyTorch as {dtype}", difference(net, *score("loaded", n_classes)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reference", help="Markdown document with the classes")
    document = parser.parse_args().reference
    classes = network_classes(document) if document else None
    report = Report()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    psql(TABLE)
    trials = [(*variant, k, False) for variant in VARIANTS for k in (1, 3)]
    for kind, arguments, n_classes, crosses in trials + [(*variant, k, True) for variant, k in CROSSED]:
        if classes and ctr_torch.CLASSES[kind].__name__ not in classes:
            print(f"# {kind}: left out, {document} does not define it")
            continue
        dtypes = DTYPES if kind == "deepfm" and n_classes == 1 and not crosses else ()
        try_variant(report, classes, kind, arguments, n_classes, crosses, dtypes)
    psql("DROP TABLE round_trip, round_trip_models")
    sys.exit(report.failed > 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Do a model's weights load into PyTorch, and do they say there what ctr_predict says?

For every variant: train in the database (the server that PGHOST and PGPORT name, extension installed), take
ctr_state_dict(model) into the class of the same mathematics with load_state_dict(strict=True), feed it the rows of
ctr_encode, and compare the probabilities with ctr_predict's. Needs torch and safetensors. Prints one line a variant.

    test/server run python3 test/parity/strict_load.py [--reference FILE.md]

--reference takes the classes from the fenced Python code of a Markdown document instead of reference.py and baselines.py.
"""

import argparse
import json
import subprocess
import sys

import safetensors.torch
import torch

from networks import network_classes

TOLERANCE = 1e-5

TABLE = """
CREATE TEMP TABLE rows AS
SELECT (i * 7919 %% 10 < CASE WHEN i %% 3 = 0 THEN 7 ELSE 2 END)::int %(label)s AS label,
       nullif(i %% 11, 0) AS n1, (i * 31 %% 97)::float8 AS n2, 'a' || i * i %% 5 AS c1, nullif('b' || i %% 90, 'b7') AS c2,
       'c' || i %% 3 AS c3
FROM generate_series(1, 3000) i
"""

QUERY = """
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
%(table)s;
CREATE TEMP TABLE m AS SELECT ctr_train(r, %(options)s || ctr_fit(crosses => '%(crosses)s', epochs => 2, min_count => 2, batch_size => 256)) AS model FROM rows r;
SELECT json_build_object(
  'state', (SELECT encode(ctr_state_dict(model), 'hex') FROM m),
  'categories', (SELECT ctr_config(model)->'inputs'->'categories' FROM m),
  'rows', (SELECT json_agg(json_build_object('x_num', e.x_num, 'x_cat', e.x_cat, 'p', %(predict)s(model, r)))
           FROM (SELECT * FROM rows LIMIT 500) r, m, LATERAL ctr_encode(model, r) e));
"""

DEEPCROSS = [
    ("DeepCross", {"cross_type": t, "stacked": s}, k)
    for t in ("matrix", "vector", "mix")
    for s in (True, False)
    for k in (1,)
] + [("DeepCross", {"cross_type": "matrix", "stacked": True}, 3)]
FIBINET = [
    ("FiBiNET", {"bilinear_type": t}, k)
    for t in ("field_all", "field_each", "field_interaction")
    for k in (1, 3)
]
BASELINES = [(kind, {}, k) for kind in ("DeepFM", "WideDeep") for k in (1, 3)]
# variants that are also trained with pairs of columns as categories
CROSSED = [DEEPCROSS[0], FIBINET[0], BASELINES[1], BASELINES[2]]
CROSSES = {True: '[["c1", "c2"], ["c2", "c3"]]', False: "none"}
BUILDERS = {"DeepCross": "ctr_deepcross", "FiBiNET": "ctr_fibinet", "DeepFM": "ctr_deepfm", "WideDeep": "ctr_wide_deep"}


def train(kind, arguments, n_classes, crosses):
    named = ", ".join(
        f"{k} => {json.dumps(v) if not isinstance(v, str) else repr(v)}"
        for k, v in {**arguments, "n_classes": n_classes}.items()
    )
    query = QUERY % {
        "table": TABLE % {"label": f"+ i * i % {n_classes - 1}" if n_classes > 1 else ""},
        "options": f"{BUILDERS[kind]}({named})",
        "crosses": CROSSES[crosses],
        "predict": "ctr_predict" if n_classes == 1 else "ctr_predict_classes",
    }
    result = subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", query],
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        sys.exit(f"{kind} {arguments}: {result.stderr}")
    return json.loads(result.stdout)


def build(networks, kind, arguments, n_classes, answer):
    d_numerical = len(answer["rows"][0]["x_num"])
    common = {"mlp_layers": [128, 64, 32], "mlp_dropout": 0.25, "n_classes": n_classes}
    if kind != "DeepCross":
        common["d_embed"] = 8
    return networks[kind](
        d_numerical=d_numerical,
        categories=answer["categories"],
        **common,
        **arguments,
    )


def largest_difference(net, answer, n_classes):
    rows = answer["rows"]
    x_num = torch.tensor([r["x_num"] for r in rows], dtype=torch.float32)
    x_cat = torch.tensor([r["x_cat"] for r in rows], dtype=torch.long)
    expected = torch.tensor([r["p"] for r in rows])
    with torch.no_grad():
        logits = net.eval()((x_num, x_cat))
    p = torch.sigmoid(logits) if n_classes == 1 else torch.softmax(logits, 1)
    return (p - expected).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reference", help="Markdown document with the classes")
    document = parser.parse_args().reference
    networks = network_classes(document)
    failed = 0
    variants = [(*variant, False) for variant in DEEPCROSS + FIBINET + BASELINES]
    for kind, arguments, n_classes, crosses in variants + [(*variant, True) for variant in CROSSED]:
        if kind not in networks:
            print(f"# {kind}: left out, {document} does not define it")
            continue
        answer = train(kind, arguments, n_classes, crosses)
        net = build(networks, kind, arguments, n_classes, answer)
        net.load_state_dict(safetensors.torch.load(bytes.fromhex(answer["state"])), strict=True)
        difference = largest_difference(net, answer, n_classes)
        ok = difference <= TOLERANCE
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} - {kind} {arguments} n_classes={n_classes}{', crosses' if crosses else ''}: largest difference {difference:.1e}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

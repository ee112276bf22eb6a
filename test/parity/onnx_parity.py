#!/usr/bin/env python3
"""Do ONNX files score as ctr_predict does?

For every variant: train in the database (the server that PGHOST and PGPORT name, extension installed), let ONNX's checker
look at ctr_to_onnx(model), and run it by onnxruntime: on the rows of ctr_encode one by one and 2048 at a time, and on raw
rows by the example of docs/onnx.md. Needs numpy, onnx and onnxruntime. Prints one line a check.

    test/server run python3 test/parity/onnx_parity.py
"""

import json
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5
BATCH = 2048
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "onnx.md"

# Numbers of all sizes, categories of every type, a name and values that JSON has to escape; beside the rows that train,
# rows at the ends, beyond them, missing, and with categories that training never saw.
TABLE = r'''
CREATE TEMP TABLE rows AS
SELECT i AS id, ((hashint4(i) & 1023) % 10 < CASE WHEN i % 3 = 0 THEN 7 ELSE 2 END)::int AS label, i * i % 7 % 3 AS class,
       nullif(i % 11, 0) AS n1, (i * 31 % 97)::float8 - 20 AS n2, exp(i % 13)::numeric AS "n ""3""", i % 2 = 0 AS n4,
       nullif('a' || i * i % 5, 'a4') AS c1, nullif('b ' || i % 90, 'b 7') AS c2,
       (ARRAY['ü', E'line\nbreak', '"quoted" \ ', '', '漢字', E'\x01'])[i % 6 + 1] AS "c
3", i % 17 AS c4, i % 4 < 2 AS c5, date '2026-01-01' + i % 5 AS c6, (i % 3) / 2.0::float8 AS c7
FROM generate_series(1, 2100) i;
CREATE TEMP TABLE scored AS SELECT * FROM rows UNION ALL
SELECT 0, 0, 0, n1, n2, n3, n4, c1, c2, c3, c4, c5, c6, c7 FROM (VALUES
  (NULL::int, NULL::float8, NULL::numeric, NULL::boolean, NULL, NULL, NULL, NULL::int, NULL::boolean, NULL::date, NULL::float8),
  (-5, 'infinity', 1e30, true, 'a9', 'b 91', 'nowhere', 99, NULL, '1999-12-31', 7.25), (5, 'NaN', -1, NULL, 'a0', NULL, '', NULL, true, NULL, 'NaN'),
  (9999999, '-infinity', 0.5, false, NULL, 'b 1', 'ü', 3, false, '2026-01-01', 0), (NULL, 1e300, NULL, NULL, '', ' b 1', 'Ü', -1, NULL, NULL, 1.5))
  s(n1, n2, n3, n4, c1, c2, c3, c4, c5, c6, c7);
'''

QUERY = """
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
%(table)s
CREATE TEMP TABLE m AS SELECT ctr_train(r, %(options)s) AS model FROM rows r, generate_series(0, %(more)d * label);
SELECT json_build_object('onnx', (SELECT encode(ctr_to_onnx(model), 'hex') FROM m),
  'rows', (SELECT json_agg(json_build_object('raw', s, 'x_num', e.x_num, 'x_cat', e.x_cat, 'p', %(predict)s(model, s)))
           FROM scored s, m, LATERAL ctr_encode(model, s) e));
"""

NETWORKS = (
    [f"ctr_deepcross(cross_type => '{t}', stacked => {s}, n_classes => {{k}})" for t in ("matrix", "vector", "mix") for s in ("true", "false")]
    + [f"ctr_fibinet(bilinear_type => '{t}', d_embed => 4, n_classes => {{k}})" for t in ("field_all", "field_each", "field_interaction")]
    + ["ctr_deepfm(n_classes => {k})", "ctr_wide_deep(n_classes => {k})"]
)
COMMON = """ctr_fit(epochs => 1, patience => 0, min_count => 2, batch_size => 256, categorical => '{c4,c6,c7}',
                    numerical => '{n4}') || '{"label": "%s", "ignore": ["id", "%s"]}'"""
OTHERS = {
    "crosses by name": """'{"crosses": [["c2", "c1"], ["c1", "c5"]]}'""",
    "crosses by name, FiBiNET": """'{"architecture": "fibinet", "crosses": [["c2", "c1"], ["c1", "c5"]]}'""",
    # whoever liked a pair comes again, so how often it occurs tells something
    "pairs counted": """'{"min_count": 4, "crosses": [["c2", "c4"], ["c1", "c5"]]}'""",
    "pairs counted, FiBiNET": """'{"architecture": "fibinet", "min_count": 4, "crosses": [["c2", "c4"], ["c1", "c5"]]}'""",
    "recipe reference": "'{\"recipe\": \"reference\"}'",
    "recipe reference, FiBiNET": "'{\"recipe\": \"reference\", \"architecture\": \"fibinet\"}'",
    "transform standard": "'{\"numerical_transform\": \"standard\"}'",
    "transform log": "'{\"numerical_transform\": \"log\"}'",
    "transform none": "'{\"numerical_transform\": \"none\"}'",
    "no cross layer": "'{\"n_cross\": 0}'",
    "one expert": "'{\"cross_type\": \"mix\", \"n_experts\": 1}'",
    "no derived input": "'{\"target_statistics\": false, \"numerical_buckets\": 0}'",
    "numbers alone": """'{"ignore": ["id", "class", "c1", "c2", "c\\n3", "c4", "c5", "c6", "c7"], "categorical": [], "numerical": []}'""",
    "numbers alone, DeepFM": """'{"architecture": "deepfm", "numerical_buckets": 0, "ignore": ["id", "class", "c1", "c2", "c\\n3", "c4", "c5", "c6", "c7"], "categorical": [], "numerical": []}'""",
    "categories alone": """'{"target_statistics": false, "ignore": ["id", "class", "n1", "n2", "n \\"3\\"", "n4"], "numerical": []}'""",
    "categories alone, FiBiNET": """'{"architecture": "fibinet", "target_statistics": false, "ignore": ["id", "class", "n1", "n2", "n \\"3\\"", "n4"], "numerical": []}'""",
}


def variants():
    for network in NETWORKS:
        for k in (1, 3):
            yield network.format(k=k), k, network.format(k=k) + " || " + COMMON % (("label", "class") if k == 1 else ("class", "label"))
    for name, more in OTHERS.items():
        yield name, 1, COMMON % ("label", "class") + " || " + more


def train(options, k, more):
    query = QUERY % {"table": TABLE, "options": options, "more": more, "predict": "ctr_predict" if k == 1 else "ctr_predict_classes"}
    result = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=query, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{options}: {result.stderr}")
    answer = json.loads(result.stdout)
    for row in answer["rows"]:  # JSON has no NaN, but a driver does
        row["raw"] = {c: float("nan") if v == "NaN" else v for c, v in row["raw"].items()}
    return bytes.fromhex(answer["onnx"]), answer["rows"]


def example():
    """The module of the document's first block in Python."""
    code = re.search(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)[1]
    module = types.ModuleType("ctr_onnx")
    exec(compile(code, str(DOCUMENT), "exec"), module.__dict__)
    return module


def run(session, rows, batch):
    inputs = {"x_num": np.float32, "x_cat": np.int64}
    parts = []
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        feed = {i.name: np.array([r[i.name] for r in part], inputs[i.name]) for i in session.get_inputs()}
        parts.append(session.run(["probability"], feed)[0])
    return np.concatenate(parts)


def report(good, what):
    print(f"{'ok' if good else 'not ok'} - {what}", flush=True)
    return not good


def main():
    failed, module = 0, example()
    for name, k, options in variants():
        counted = name.startswith("pairs counted")
        onnx_bytes, rows = train(options, k, 2 if counted else 0)
        model = onnx.load_from_string(onnx_bytes)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(onnx_bytes)
        raw = module.Model(onnx_bytes)
        expected = np.array([r["p"] for r in rows])
        some = rows[:20] + rows[-10:]
        differences = [
            np.abs(run(session, some, 1) - expected[list(range(20)) + list(range(-10, 0))]).max(),
            np.abs(run(session, rows, BATCH) - expected).max(),
            np.abs(raw.predict([r["raw"] for r in rows]) - expected).max(),
        ]
        shape = [d.dim_value or d.dim_param for d in model.graph.output[0].type.tensor_type.shape.dim]
        failed += report(shape == (["batch"] if k == 1 else ["batch", k]), f"{name}: checked, {len(model.graph.node)} nodes")
        if counted:
            failed += report(any(field.get("rare") for field in raw.x_cat), f"{name}: rare pairs, too")
        failed += report(max(differences) <= TOLERANCE, name + ": largest differences, rows one by one {:.1e}, {} at a time {:.1e}, raw {:.1e}".format(differences[0], BATCH, *differences[1:]))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

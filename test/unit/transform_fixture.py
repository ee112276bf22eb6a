#!/usr/bin/env python3
"""Writes transform_fixture.h: what scikit-learn makes of columns that test_transform.c makes again from the same formula.

    python3 transform_fixture.py > transform_fixture.h
"""
import warnings

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

# name, rows, distinct values, offset, divisor, cubed, one in so many rows is missing (0: none)
CASES = [
    ("many distinct", 5000, 1 << 30, 1 << 29, 1e6, 0, 0),
    ("many distinct, missing", 5000, 1 << 30, 1 << 29, 1e6, 0, 3),
    ("fewer rows than quantiles", 137, 1 << 30, 0, 7.0, 0, 0),
    ("fewer rows than quantiles, missing", 613, 1 << 30, 1 << 29, 7.0, 0, 4),
    ("as many rows as quantiles", 1000, 1 << 20, 0, 3.0, 0, 0),
    ("ties", 3000, 17, 5, 1.0, 0, 0),
    ("ties, missing", 3001, 17, 5, 1.0, 0, 2),
    ("few rows, ties", 90, 7, 3, 3.0, 0, 5),
    ("long tail", 4000, 500, 20, 10.0, 1, 6),
    ("two values", 1500, 2, 0, 1.0, 0, 0),
    ("two values, missing", 1500, 2, 0, 1.0, 0, 2),
    ("constant", 1200, 1, -3, 10.0, 0, 0),
    ("constant, missing", 1200, 1, -3, 8.0, 0, 3),
    ("two rows", 2, 1 << 30, 0, 1e3, 0, 0),
    ("one row", 1, 1000, 0, 7.0, 0, 0),
]
MASK = (1 << 64) - 1
N_QUERIES = 48


def column(case, seed):
    _, n, distinct, offset, divisor, cubed, missing = case
    state = seed
    values = []
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        x = ((state >> 33) % distinct - offset) / divisor
        x = x * x * x if cubed else x
        values.append(np.nan if missing and (state >> 20) % missing == 0 else x)
    return np.array(values)


def queries(x):
    """training values, points between and beyond them, and a missing one"""
    known = np.unique(x[~np.isnan(x)])
    picked = known[np.linspace(0, len(known) - 1, 16).astype(int)]
    low, high = known[0], known[-1]
    between = np.linspace(low, high, 29)
    return np.concatenate([picked, between, [low - 1, high + 1, np.nan]])


def signed_log(x):
    return np.sign(x) * np.log1p(np.abs(x))


def main():
    warnings.simplefilter("ignore")
    print("/* Made by transform_fixture.py; do not edit. */")
    print("typedef struct Fixture {\n    const char *name;\n    int n, distinct, offset;\n    double divisor;")
    print("    int cubed, missing;\n    double mean;")
    print(f"    double query[{N_QUERIES}], quantile[{N_QUERIES}], standard[{N_QUERIES}], log[{N_QUERIES}];\n}} Fixture;\n")
    print("/* clang-format off */\nstatic const Fixture fixtures[] = {")
    for i, case in enumerate(CASES):
        x = column(case, i + 1).reshape(-1, 1)
        q = queries(x[:, 0]).reshape(-1, 1)
        assert len(q) == N_QUERIES
        pipelines = [
            make_pipeline(SimpleImputer(), QuantileTransformer(subsample=None)),
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_pipeline(SimpleImputer(), FunctionTransformer(signed_log), StandardScaler()),
        ]
        name, n, distinct, offset, divisor, cubed, missing = case
        print(f'    {{"{name}", {n}, {distinct}, {offset}, {divisor!r}, {cubed}, {missing}, {float(np.nanmean(x))!r},')
        results = [q] + [p.fit(x).transform(q) for p in pipelines]
        for result in results:
            print("     {" + ", ".join("NAN" if np.isnan(v) else repr(float(v)) for v in result[:, 0]) + "},")
        print("    },")
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    main()

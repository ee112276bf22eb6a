#!/usr/bin/env python3
"""Gradient-boosted trees on target statistics: what a data scientist would reach for instead of a network.

    test/bench/boosted_trees.py CRITEO [--seeds 1 2 3]

Roles as everywhere here: the first 80 % of the rows train, a random 20 % of them (by the seed) being for validation; the
last 20 % test. Inputs: the numbers as they are, and for each category column the smoothed mean of the label (training
rows: out of five folds; others: of all training rows) and the logarithm of the count. XGBoost with histograms, depth 6,
learning rate 0.05, stopped early by the validation rows' logloss. Prints one Markdown row. Needs xgboost, pandas,
scikit-learn.
"""
import argparse

import numpy as np
import pandas as pd
import xgboost
from sklearn.metrics import log_loss, roc_auc_score

NUMERICAL = range(1, 14)
CATEGORICAL = range(14, 40)
FOLDS, SMOOTHING = 5, 20.0


def statistics(codes, label, rows, of):
    """Smoothed mean of the label and log count, of the codes of rows `of`, for each of `rows`."""
    size = codes.max() + 1
    count = np.bincount(codes[of], minlength=size)
    positive = np.bincount(codes[of], weights=label[of], minlength=size)
    mean = (positive + SMOOTHING * label[of].mean()) / (count + SMOOTHING)
    return mean[codes[rows]], np.log1p(count[codes[rows]])


def derived(codes, label, train, others, fold):
    """[rows of the table, 2]: out of fold for training rows, from all of them for the others."""
    result = np.zeros((len(codes), 2), np.float32)
    for k in range(FOLDS):
        inside = train[fold == k]
        result[inside] = np.stack(statistics(codes, label, inside, train[fold != k]), axis=1)
    result[others] = np.stack(statistics(codes, label, others, train), axis=1)
    return result


def run(frame, codes, seed):
    label = frame[0].to_numpy(np.float32)
    n_train = len(label) * 8 // 10
    random = np.random.default_rng(seed)
    order = random.permutation(n_train)
    validation, train = order[: n_train // 5], order[n_train // 5 :]
    test = np.arange(n_train, len(label))
    fold = random.integers(0, FOLDS, len(train))
    others = np.concatenate([validation, test])
    x = np.concatenate([frame[list(NUMERICAL)].to_numpy(np.float32)]
                       + [derived(c, label, train, others, fold) for c in codes], axis=1)
    data = {name: xgboost.DMatrix(x[rows], label[rows]) for name, rows in
            (("train", train), ("validation", validation), ("test", test))}
    options = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "eta": 0.05, "min_child_weight": 20,
               "subsample": 0.8, "colsample_bytree": 0.5, "eval_metric": "logloss", "seed": seed}
    trees = xgboost.train(options, data["train"], 2000, evals=[(data["validation"], "validation")],
                          early_stopping_rounds=40, verbose_eval=False)
    p = trees.predict(data["test"], iteration_range=(0, trees.best_iteration + 1))
    p_validation = trees.predict(data["validation"], iteration_range=(0, trees.best_iteration + 1))
    return (roc_auc_score(label[test], p), log_loss(label[test], p.astype(np.float64)),
            roc_auc_score(label[validation], p_validation))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("criteo")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    args = parser.parse_args()
    frame = pd.read_csv(args.criteo, sep="\t", header=None, dtype={c: object for c in CATEGORICAL})
    codes = [pd.factorize(frame[c], use_na_sentinel=False)[0] for c in CATEGORICAL]
    results = np.array([run(frame, codes, seed) for seed in args.seeds])
    mean, spread = results.mean(0), results.std(0, ddof=min(1, len(results) - 1))
    print(f"| XGBoost {xgboost.__version__}, numbers + target statistics + counts | {mean[0]:.4f} ± {spread[0]:.4f} "
          f"| {mean[1]:.4f} ± {spread[1]:.4f} | {mean[2]:.4f} | | |")


if __name__ == "__main__":
    main()

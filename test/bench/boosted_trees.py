#!/usr/bin/env python3
"""Gradient-boosted trees: what a data scientist would reach for instead of a network.

    test/bench/boosted_trees.py CRITEO [--seeds 1 2 3]     one Markdown row: XGBoost on statistics and counts
    from boosted_trees import LIBRARIES, fit               the peers of tables.py

Of the rows that train, a random 20 % (by the seed) are for validation, the same ones for every library, whose log loss
ends the training early and chooses the number of trees. Settings:

    lightgbm, xgboost, catboost   the library's defaults, with its own handling of categories. A category that the rows
                                  to learn from do not have is missing for LightGBM and XGBoost; CatBoost gets the
                                  texts. At most ROUNDS trees of LightGBM and XGBoost, but the default 1,000 of
                                  CatBoost, which derives its learning rate from their number. All stop after PATIENCE
                                  trees without a better log loss.
    xgboost_statistics            inputs are the numbers as they are, and for each category column the smoothed mean of
                                  the label (rows to learn from: out of five folds; others: of all rows to learn from)
                                  and the logarithm of the count. Histograms, depth 6, learning rate 0.05, sampling.

Seconds are those of CPU, of all threads, from the table in memory to the trees: what a library makes of the categories
counts. Needs pandas, numpy and the library.
"""
import argparse
import importlib
import os
import time

# Threads that wait for others sleep, so that CPU seconds are work also where a machine has other guests.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
try:
    import numpy as np
    import pandas as pd
except ImportError:
    np = pd = None

ROUNDS, PATIENCE = 10_000, 50
FOLDS, SMOOTHING = 5, 20.0
NUMERICAL, CATEGORICAL = range(1, 14), range(14, 40)  # Criteo's columns


def split(n, seed):
    """Rows for validation and rows to learn from, of n rows."""
    order = np.random.default_rng(seed).permutation(n)
    return order[: n // 5], order[n // 5 :]


# ------------------------------------------------------------------ categories as the libraries have them

def categorical(frames, categories):
    """Category columns as pandas' type, with codes for what the first frame has; anything else is missing.

    Columns are named x0, x1, …, because LightGBM and XGBoost forbid some characters.
    """
    known = {name: pd.Index(frames[0][name].dropna().unique()) for name in categories}
    return [pd.DataFrame({f"x{k}": pd.Categorical.from_codes(known[name].get_indexer(frame[name]), known[name])
                          if name in known else frame[name] for k, name in enumerate(frame.columns)})
            for frame in frames]


def lightgbm(train, validation, test, label, categories, seed, threads):
    import lightgbm as library
    frames = categorical([train, validation, test], categories)
    data = library.Dataset(frames[0], label[0])
    options = {"objective": "binary", "seed": seed, "num_threads": threads, "verbosity": -1}
    trees = library.train(options, data, ROUNDS, valid_sets=[library.Dataset(frames[1], label[1], reference=data)],
                          callbacks=[library.early_stopping(PATIENCE, verbose=False)])
    return lambda: [trees.predict(frame) for frame in frames[1:]]


def xgboost(train, validation, test, label, categories, seed, threads):
    frames = categorical([train, validation, test], categories)
    return xgboost_train(frames, label, {"seed": seed, "nthread": threads}, PATIENCE)


def catboost(train, validation, test, label, categories, seed, threads):
    import catboost as library
    places = [k for k, name in enumerate(train.columns) if name in set(categories)]

    def pool(frame, labels=None):
        # A missing category is one of its own: the only text without "=".
        frame = pd.DataFrame({name: ("=" + frame[name].astype(object)).fillna("") if k in places else frame[name]
                              for k, name in enumerate(frame.columns)})
        return library.Pool(frame, labels, cat_features=places)

    trees = library.CatBoostClassifier(random_seed=seed, thread_count=threads, early_stopping_rounds=PATIENCE,
                                       allow_writing_files=False, verbose=False)
    trees.fit(pool(train, label[0]), eval_set=pool(validation, label[1]))
    return lambda: [trees.predict_proba(pool(frame))[:, 1] for frame in (validation, test)]


# ------------------------------------------------------------------ statistics and counts

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


def xgboost_statistics(train, validation, test, label, categories, seed, threads):
    whole = pd.concat([train, validation, test])
    labels = np.concatenate([label[0], label[1], np.zeros(len(test))])
    learned, others = np.split(np.arange(len(whole)), [len(train)])
    fold = np.random.default_rng([seed, 1]).integers(0, FOLDS, len(train))
    codes = [pd.factorize(whole[name], use_na_sentinel=False)[0] for name in categories]
    x = np.concatenate([whole.drop(columns=categories).to_numpy(np.float32)]
                       + [derived(c, labels, learned, others, fold) for c in codes], axis=1)
    options = {"max_depth": 6, "eta": 0.05, "min_child_weight": 20, "subsample": 0.8, "colsample_bytree": 0.5,
               "seed": seed, "nthread": threads}
    return xgboost_train(np.split(x, [len(train), len(train) + len(validation)]), label, options, 40)


def xgboost_train(frames, label, options, patience):
    import xgboost as library
    data = [library.DMatrix(x, y, enable_categorical=True) for x, y in zip(frames, label)]
    trees = library.train({"objective": "binary:logistic", "tree_method": "hist", "eval_metric": "logloss", **options},
                          data[0], ROUNDS, evals=[(data[1], "validation")], early_stopping_rounds=patience,
                          verbose_eval=False)
    best = (0, trees.best_iteration + 1)
    return lambda: [trees.predict(x, iteration_range=best)
                    for x in (data[1], library.DMatrix(frames[2], enable_categorical=True))]


# ------------------------------------------------------------------ what tables.py calls

# name: its function, the module that it needs
LIBRARIES = {
    "lightgbm": (lightgbm, "lightgbm"),
    "xgboost": (xgboost, "xgboost"),
    "catboost": (catboost, "catboost"),
    "xgboost_statistics": (xgboost_statistics, "xgboost"),
}


def version(name):
    """The library's version, None where it, pandas or numpy is absent."""
    try:
        return importlib.import_module(LIBRARIES[name][1]).__version__ if pd else None
    except ImportError:
        return None


def fit(name, x, label, categories, test, seed, threads):
    """Trains on the rows of frame x, and scores the frame `test`.

    categories: names of the columns of texts, None where one is missing; the others are numbers. Returns CPU seconds,
    the labels and the probabilities of the validation rows, the probabilities of the test rows.
    """
    held_back, learned = split(len(x), seed)
    rows = [x.iloc[learned].reset_index(drop=True), x.iloc[held_back].reset_index(drop=True),
            test.reset_index(drop=True)]
    began = time.process_time()
    scores = LIBRARIES[name][0](*rows, [label[learned], label[held_back]], list(categories), seed, threads)
    seconds = time.process_time() - began
    validation, tested = scores()
    return seconds, label[held_back], validation, tested


def main():
    from sklearn.metrics import log_loss, roc_auc_score
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("criteo")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    args = parser.parse_args()
    name = "xgboost_statistics"
    number = version(name)
    frame = pd.read_csv(args.criteo, sep="\t", header=None, dtype={c: object for c in CATEGORICAL})
    label, x, n_train = frame[0].to_numpy(np.float32), frame.drop(columns=0), len(frame) * 8 // 10
    results = []
    for seed in args.seeds:
        _, known, validation, tested = fit(name, x[:n_train], label[:n_train], CATEGORICAL, x[n_train:], seed,
                                           os.cpu_count())
        results.append((roc_auc_score(label[n_train:], tested), log_loss(label[n_train:], tested.astype(np.float64)),
                        roc_auc_score(known, validation)))
    results = np.array(results)
    mean, spread = results.mean(0), results.std(0, ddof=min(1, len(results) - 1))
    print(f"| XGBoost {number}, numbers + target statistics + counts | {mean[0]:.4f} ± {spread[0]:.4f} "
          f"| {mean[1]:.4f} ± {spread[1]:.4f} | {mean[2]:.4f} | | |")


if __name__ == "__main__":
    main()

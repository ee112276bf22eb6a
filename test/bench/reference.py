#!/usr/bin/env python3
"""Trains the reference PyTorch networks by their own recipe on a Criteo file: the figures to compare with.

    test/bench/reference.py CRITEO [--seeds 3] [--model deepcross|fibinet|both] [--threads N]
                            [--cross-type matrix] [--bilinear-type field_each]
                            [--deepcross FILE.md] [--fibinet FILE.md]

CRITEO is tab-separated, plain or gzipped, without a header: label, 13 numbers, 26 categories. The network
classes come from the fenced code of the Markdown documents given, or else from python/ctr_torch.py.

Roles: the first 80 % of the rows train, a random 20 % of them (by the seed) being for validation; the last 20 %
test.

The recipe: mean imputation and QuantileTransformer, LabelEncoder, Adam 0.002 with weight_decay 0.001, batches of
2048, at most 100 epochs, stop after 5 epochs without a better validation AUC, best epoch restored. What differs
from the documents: whole tensors instead of a row-by-row DataLoader, the exact AUC instead of a binned one, test
rows by time instead of by chance, numerical transforms fitted on the training rows alone. Categories are numbered
over all rows, as the documents do, so that those seen only in test rows have (untrained) embedding rows.

Needs torch, numpy, pandas, scikit-learn.
"""
import argparse
import copy
import pathlib
import re
import runpy
import time

import numpy as np
import pandas as pd
import torch
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, QuantileTransformer
from torch.nn.functional import binary_cross_entropy_with_logits

NUMERICAL = range(1, 14)
CATEGORICAL = range(14, 40)
TEST_SHARE = VALIDATION_SHARE = 0.2
BATCH, EPOCHS, PATIENCE = 2048, 100, 5
LEARNING_RATE, WEIGHT_DECAY = 0.002, 0.001


def network_class(name, document):
    """The class of that name from the document's code, or from this project's own implementation of it."""
    if document is None:
        path = pathlib.Path(__file__).resolve().parents[2] / "python" / "ctr_torch.py"
        return runpy.run_path(str(path))[name]
    text = pathlib.Path(document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    source = next(block for block in blocks if re.search(rf"^class {name}\b", block, re.MULTILINE))
    scope = {}
    exec(compile(source, document, "exec"), scope)
    return scope[name]


def read_rows(path):
    """label [n], numbers [n, 13] with NaN, category codes [n, 26], categories per column."""
    frame = pd.read_csv(path, sep="\t", header=None, dtype={c: object for c in CATEGORICAL})
    codes = np.stack([LabelEncoder().fit_transform(frame[c]) for c in CATEGORICAL], axis=1)
    return (frame[0].to_numpy(np.float32), frame[list(NUMERICAL)].to_numpy(np.float64), codes,
            [int(n) + 1 for n in codes.max(axis=0)])


def split(n, seed):
    """Row numbers for training, validation and test."""
    n_known = round(n * (1 - TEST_SHARE))
    shuffled = np.random.default_rng(seed).permutation(n_known)
    n_validation = round(n_known * VALIDATION_SHARE)
    return shuffled[n_validation:], shuffled[:n_validation], np.arange(n_known, n)


def logits(net, x_num, x_cat):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(part) for part in zip(x_num.split(BATCH), x_cat.split(BATCH))]).double().numpy()


def train_epoch(net, optimizer, x_num, x_cat, label):
    net.train()
    for rows in torch.randperm(len(label)).split(BATCH):
        loss = binary_cross_entropy_with_logits(net((x_num[rows], x_cat[rows])), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def fit(net, train, validation):
    """Trains with early stopping, leaves the best epoch's state in net. Returns epochs run."""
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best_auc, best_epoch, best_state = 0.0, 0, None
    for epoch in range(1, EPOCHS + 1):
        train_epoch(net, optimizer, *train)
        auc = roc_auc_score(validation[2], logits(net, *validation[:2]))
        if auc > best_auc:
            best_auc, best_epoch, best_state = auc, epoch, copy.deepcopy(net.state_dict())
        if epoch - best_epoch >= PATIENCE:
            break
    net.load_state_dict(best_state)
    return epoch


def run(make_net, rows, seed):
    """Test AUC, test logloss, epochs, seconds of one training."""
    label, numbers, codes, categories = rows
    train, validation, test = split(len(label), seed)
    transform = make_pipeline(SimpleImputer(), QuantileTransformer(random_state=seed)).fit(numbers[train])
    x_num = torch.from_numpy(transform.transform(numbers)).float()
    x_cat, y = torch.from_numpy(codes).long(), torch.from_numpy(label)
    torch.manual_seed(seed)
    net = make_net(x_num.shape[1], categories)
    start = time.perf_counter()
    epochs = fit(net, *((x_num[part], x_cat[part], y[part]) for part in (train, validation)))
    seconds = time.perf_counter() - start
    probability = 1 / (1 + np.exp(-logits(net, x_num[test], x_cat[test])))
    return roc_auc_score(label[test], probability), log_loss(label[test], probability), epochs, seconds


def report(title, make_net, rows, seeds):
    results = []
    for seed in range(seeds):
        results.append(run(make_net, rows, seed))
        auc, loss, epochs, seconds = results[-1]
        print(f"| {title} | {seed} | {auc:.4f} | {loss:.4f} | {epochs} | {seconds:.0f} |", flush=True)
    mean, spread = np.mean(results, axis=0), np.std(results, axis=0)
    print(f"| {title} | mean | {mean[0]:.4f} ± {spread[0]:.4f} | {mean[1]:.4f} ± {spread[1]:.4f} "
          f"| {mean[2]:.1f} | {mean[3]:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("criteo")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", choices=["deepcross", "fibinet", "both"], default="both")
    parser.add_argument("--cross-type", choices=["matrix", "vector", "mix"], default="matrix")
    parser.add_argument("--bilinear-type", choices=["field_interaction", "field_each", "field_all"],
                        default="field_each")
    parser.add_argument("--deepcross", metavar="FILE.md")
    parser.add_argument("--fibinet", metavar="FILE.md")
    parser.add_argument("--threads", type=int, default=0, help="0: one per core")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    rows = read_rows(args.criteo)
    print("| network | seed | test AUC | test logloss | epochs | seconds |\n|---|---|---|---|---|---|")
    if args.model != "fibinet":
        network = network_class("DeepCross", args.deepcross)
        report(f"DeepCross {args.cross_type}",
               lambda n_num, categories: network(n_num, categories, d_embed_max=8, n_cross=2, stacked=True,
                                                 cross_type=args.cross_type, mlp_layers=[128, 64, 32],
                                                 mlp_dropout=0.25, n_classes=1), rows, args.seeds)
    if args.model != "deepcross":
        network = network_class("FiBiNET", args.fibinet)
        report(f"FiBiNET {args.bilinear_type}",
               lambda n_num, categories: network(n_num, categories, d_embed=8, mlp_layers=[128, 64, 32],
                                                 mlp_dropout=0.25, reduction_ratio=3,
                                                 bilinear_type=args.bilinear_type, n_classes=1), rows, args.seeds)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the fixtures that test/unit/test_parity.c compares the engine with: a safetensors file per network.

    python3 generate.py                                 our own classes (python/ctr_torch.py) into fixtures/
    python3 generate.py --reference FILE.md --output D  the classes in FILE.md's fenced Python code instead;
                                                        they must take our state_dict with strict=True

PyTorch computes in float64 from float32 weights, so that a difference is the C engine's alone. Dropout is 0.
A file holds:
    __metadata__     config: the configuration as JSON (one string: several are written in random order)
    x_num [R, n_num], x_cat [n_cat, R] (I32), label [R]    R rows, cut into BATCHES batches of ROWS
    initial.<name>   the state_dict at the start
    logits, loss, gradient.<name>                          of the first batch, in training mode
    after.<name>     the state_dict after STEPS Adam steps over the batches in turn
    evaluated        logits of the first batch after them, in evaluation mode
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

from networks import network_classes

ROWS, BATCHES, STEPS = 32, 3, 10
N_NUM, CATEGORIES, USED = 3, [7, 40, 19, 3], [7, 25, 12, 2]  # codes from USED on never occur


def configurations():
    for n_classes in (1, 3):
        for cross in ("vector", "matrix", "mix"):
            for stacked in (True, False):
                name = f"deepcross_{cross}_{'stacked' if stacked else 'parallel'}_{n_classes}"
                yield name, "DeepCross", dict(
                    d_embed_max=4, n_cross=2, cross_type=cross, low_rank=3, n_experts=3, mlp_layers=[12, 8],
                    stacked=stacked, n_classes=n_classes)
        for kind in ("field_all", "field_each", "field_interaction"):
            yield f"fibinet_{kind}_{n_classes}", "FiBiNET", dict(
                d_embed=9, mlp_layers=[10, 8], reduction_ratio=3, bilinear_type=kind, n_classes=n_classes)
    for n_classes in (1, 3):  # after the others: a configuration's place is its seed
        for name, architecture in (("deepfm", "DeepFM"), ("wide_deep", "WideDeep")):
            yield f"{name}_{n_classes}", architecture, dict(d_embed=9, mlp_layers=[10, 8], n_classes=n_classes)


def data(n_classes):
    rows = ROWS * BATCHES
    x_num = torch.rand(rows, N_NUM)
    x_cat = torch.stack([torch.randint(0, used, (rows,)) for used in USED], 1)
    label = torch.randint(0, max(n_classes, 2), (rows,))
    return x_num, x_cat, label


def initial_state(architecture, options):
    """As constructed, except that
    - nothing is left at zero or one, where a mistake could hide;
    - vectors stay away from zero: the gradient of a bias before a normalisation is rounding alone, and only an L2
      part far above it keeps Adam's first steps from following it;
    - embeddings are large: a normalisation of tiny interactions magnifies rounding."""
    net = network_classes()[architecture](N_NUM, CATEGORIES, mlp_dropout=0.0, **options)
    state = net.state_dict()
    for name, value in state.items():
        if value.ndim == 1 and value.is_floating_point():
            noise = 0.1 * torch.randn(value.shape)
            value += noise.abs() if name.endswith("running_var") else noise
            value += 0.1 * value.sign()
        elif name == "cat_embedding.embedding.weight":
            value *= 5
    return state


def flat(prefix, tensors):
    return {f"{prefix}.{name}": value.detach().float() if value.is_floating_point() else value.detach()
            for name, value in tensors}


def run(network, state, x_num, x_cat, label, n_classes):
    net = network.double()
    net.load_state_dict(state, strict=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002, weight_decay=0.001)
    loss_of = nn.BCEWithLogitsLoss() if n_classes == 1 else nn.CrossEntropyLoss()
    target = label.double() if n_classes == 1 else label
    out = flat("initial", state.items())
    for step in range(STEPS):
        batch = slice(step % BATCHES * ROWS, (step % BATCHES + 1) * ROWS)
        net.train()
        logits = net((x_num[batch].double(), x_cat[batch]))
        loss = loss_of(logits, target[batch])
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            out |= {"logits": logits.detach().float(), "loss": loss.detach().float().reshape(1)}
            out |= flat("gradient", ((n, p.grad) for n, p in net.named_parameters() if p.grad is not None))
        optimizer.step()
    net.eval()
    with torch.no_grad():
        out["evaluated"] = net((x_num[:ROWS].double(), x_cat[:ROWS])).float()
    return out | flat("after", net.state_dict().items())


def main():
    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference", help="Markdown document whose classes to use")
    parser.add_argument("--output", type=pathlib.Path, default=here / "fixtures")
    args = parser.parse_args()
    source = network_classes(args.reference)

    args.output.mkdir(parents=True, exist_ok=True)
    for seed, (name, architecture, options) in enumerate(configurations()):
        if architecture not in source:
            continue
        torch.manual_seed(seed)
        x_num, x_cat, label = data(options["n_classes"])
        state = initial_state(architecture, options)
        network = source[architecture](N_NUM, list(CATEGORIES), mlp_dropout=0.0, **options)
        tensors = run(network, state, x_num, x_cat, label, options["n_classes"])
        tensors |= {"x_num": x_num, "x_cat": x_cat.int().t(), "label": label.float()}
        metadata = {"architecture": architecture, "categories": CATEGORIES, "steps": STEPS, "rows": ROWS}
        metadata = {k: str(v).strip("[]") for k, v in (metadata | options).items()}
        save_file({k: v.contiguous() for k, v in tensors.items()}, args.output / f"{name}.safetensors",
                  {"config": json.dumps(metadata, separators=(",", ":"))})
        print(name, f"loss {tensors['loss'].item():.6f}")


if __name__ == "__main__":
    main()

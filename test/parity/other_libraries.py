#!/usr/bin/env python3
"""Do weights of DeepCTR-Torch, renamed as docs/pytorch.md says, give the same probabilities in ctr's networks?

Networks of the library with random weights are saved by save_file, read again, renamed by the document's code, loaded
strictly into the classes of python/ctr_torch.py (round_trip.py compares these with ctr_predict), and asked about the same
rows. Needs torch, safetensors and deepctr-torch. Prints one line a variant.
"""

import pathlib
import re
import sys
import tempfile

import safetensors.torch
import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat
from deepctr_torch.models import DCN, DCNMix, FiBiNET

from networks import ctr_torch

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "pytorch.md"
CATEGORIES, D_NUMERICAL, ROWS, TOLERANCE = [7, 40, 19, 3], 3, 1000, 1e-5
FIELDS = [f"C{i}" for i in range(len(CATEGORIES))]


def mapping():
    """The functions of the document's block that defines from_deepctr_dcn."""
    [block] = re.findall(r"^```python\n((?:(?!^```).)*?def from_deepctr_dcn.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    namespace = {}
    exec(compile(block, str(DOCUMENT), "exec"), namespace)
    return namespace


def randomize(net, rows):
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape) * (0.5 if value.ndim == 1 else max(value.shape[-1], 2) ** -0.5))
        for _ in range(20):
            net.train()(rows)
    return net.eval()


def through_file(net):
    with tempfile.NamedTemporaryFile() as file:
        safetensors.torch.save_file({name: value.contiguous() for name, value in net.state_dict().items()}, file.name)
        return safetensors.torch.load_file(file.name)


def variants():
    """(name, their network, our network, the mapping's name and arguments, how many numbers they take)"""
    widths = ctr_torch.SqrtEmbedding(CATEGORIES, 8).embedding_list
    sparse = [SparseFeat(f, n, embedding_dim=w.embedding_dim) for f, n, w in zip(FIELDS, CATEGORIES, widths)]
    columns = sparse + [DenseFeat(f"I{i}", 1) for i in range(D_NUMERICAL)]
    for bn in (True, False):
        common = dict(cross_num=2, dnn_hidden_units=(16, 8), dnn_use_bn=bn)
        for kind in ("vector", "matrix", "mix"):
            theirs = (DCNMix([], columns, low_rank=3, num_experts=4, **common) if kind == "mix"
                      else DCN([], columns, cross_parameterization=kind, **common))
            ours = ctr_torch.DeepCross(D_NUMERICAL, CATEGORIES, cross_type=kind, low_rank=3, n_experts=4, stacked=False,
                                       mlp_layers=[16, 8], mlp_dropout=0)
            yield f"DCN {kind}, batch normalisation: {bn}", theirs, ours, "from_deepctr_dcn", (FIELDS, D_NUMERICAL), D_NUMERICAL
    sparse = [SparseFeat(f, n, embedding_dim=4) for f, n in zip(FIELDS, CATEGORIES)]
    for kind in ("all", "each", "interaction"):
        theirs = FiBiNET(sparse, sparse, bilinear_type=kind, dnn_hidden_units=(16, 8))
        ours = ctr_torch.FiBiNET(0, CATEGORIES, 4, [16, 8], 0, bilinear_type=f"field_{kind}")
        yield f"FiBiNET {kind}", theirs, ours, "from_deepctr_fibinet", (FIELDS,), 0


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    names, failed = mapping(), 0
    x_num = torch.rand(ROWS, D_NUMERICAL)
    x_cat = torch.stack([torch.randint(0, n, (ROWS,)) for n in CATEGORIES], 1)
    for name, theirs, ours, rename, arguments, d_numerical in variants():
        rows = torch.cat([x_cat.float(), x_num[:, :d_numerical]], 1)
        randomize(theirs, rows)
        ours.load_state_dict(names[rename](through_file(theirs), *arguments), strict=True)
        with torch.no_grad():
            expected = theirs(rows).squeeze(1)
            found = ctr_torch.probability(ours.eval()((x_num[:, :d_numerical] if d_numerical else None, x_cat)))
        largest = (found - expected).abs().max().item()
        ok = largest <= TOLERANCE and expected.std() > 0.01
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} - {name}: largest difference {largest:.1e}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

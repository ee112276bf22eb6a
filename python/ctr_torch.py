"""The networks of ctr in PyTorch, and what brings rows and weights from one to the other.

    net = ctr_torch.load(open("model.safetensors", "rb").read())    # a model's bytes: the network, with its weights
    numbers, x_num, x_cat = ctr_torch.read_rows(file)               # COPY (SELECT label::real, (ctr_encode(model, r)).* …)
    probability = ctr_torch.probability(net((x_num, x_cat)))
    safetensors.torch.save_file(net.state_dict(), "weights.safetensors")    # for ctr_load_weights

Names in the state_dict, constructor arguments and mathematics are those of the reference code of DeepCross and
FiBiNET; the only difference in behaviour is that DCN-Mix also works for a batch of one row. DeepFM and WideDeep are of
the same parts. Needs PyTorch, load() also safetensors, read_rows() NumPy. License: PostgreSQL, as ctr.
"""

import json
from itertools import combinations

import torch
from torch import nn


class MLP(nn.Module):
    """Linear, BatchNorm1d, ReLU, Dropout for every width; with d_out, a Linear more."""

    def __init__(self, d_in, d_layers, dropout, d_out=None):
        super().__init__()
        modules = []
        for width in d_layers:
            modules += [nn.Linear(d_in, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
            d_in = width
        if d_out is not None:
            modules.append(nn.Linear(d_in, d_out))
        self.mlp = nn.Sequential(*modules)

    def forward(self, x):
        return self.mlp(x)


class SqrtEmbedding(nn.Module):
    """One table per field, as wide as the square root of its categories (within 2 .. d_embed_max)."""

    def __init__(self, categories, d_embed_max):
        super().__init__()
        widths = [min(max(int(n**0.5), 2), d_embed_max) for n in categories]
        self.embedding_list = nn.ModuleList(nn.Embedding(n, d) for n, d in zip(categories, widths))
        self.d_out = sum(widths)

    def forward(self, x_cat):
        return torch.cat([table(codes) for table, codes in zip(self.embedding_list, x_cat.unbind(1))], 1)


class CrossNetVector(nn.Module):
    def __init__(self, d, n_cross):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(d, 1, bias=False) for _ in range(n_cross))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(d)) for _ in range(n_cross))

    def forward(self, x0):
        x = x0
        for linear, bias in zip(self.linears, self.biases):
            x = x + bias + x0 * linear(x)
        return x


class CrossNetMatrix(nn.Module):
    def __init__(self, d, n_cross):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(d, d) for _ in range(n_cross))

    def forward(self, x0):
        x = x0
        for linear in self.linears:
            x = x + x0 * linear(x)
        return x


class CrossNetMix(nn.Module):
    def __init__(self, d, n_cross, low_rank, n_experts):
        super().__init__()

        def matrices(rows):
            drawn = (nn.init.xavier_normal_(torch.empty(n_experts, rows, low_rank)) for _ in range(n_cross))
            return nn.ParameterList(nn.Parameter(matrix) for matrix in drawn)

        self.U_list, self.V_list, self.C_list = matrices(d), matrices(d), matrices(low_rank)
        self.gating = nn.ModuleList(nn.Linear(d, 1, bias=False) for _ in range(n_experts))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(d)) for _ in range(n_cross))

    def forward(self, x0):
        x = x0
        for u, v, c, bias in zip(self.U_list, self.V_list, self.C_list, self.biases):
            gates = torch.cat([gate(x) for gate in self.gating], 1).softmax(1)
            low = torch.tanh(torch.einsum("bd,edk->bek", x, v))
            low = torch.tanh(torch.einsum("bek,ekl->bel", low, c))
            experts = x0[:, None] * (torch.einsum("bel,edl->bed", low, u) + bias)
            x = x + (gates[:, :, None] * experts).sum(1)
        return x


class DeepCross(nn.Module):
    def __init__(self, d_numerical, categories, d_embed_max=8, n_cross=2, cross_type="matrix", low_rank=32,
                 n_experts=4, mlp_layers=(128, 64, 32), mlp_dropout=0.25, stacked=True, n_classes=1):
        super().__init__()
        self.n_classes, self.stacked = n_classes, stacked
        self.cat_embedding = SqrtEmbedding(categories, d_embed_max) if categories else None
        d = (d_numerical or 0) + (self.cat_embedding.d_out if categories else 0)
        if cross_type == "mix":
            self.cross_layer = CrossNetMix(d, n_cross, low_rank, n_experts)
        else:
            self.cross_layer = {"vector": CrossNetVector, "matrix": CrossNetMatrix}[cross_type](d, n_cross)
        self.mlp = MLP(d, mlp_layers, mlp_dropout)
        self.last_linear = nn.Linear(mlp_layers[-1] + (0 if stacked else d), n_classes)

    def forward(self, features):
        x_num, x_cat = features
        parts = [] if x_num is None else [x_num]
        if self.cat_embedding is not None:
            parts.append(self.cat_embedding(x_cat))
        x = torch.cat(parts, 1)
        crossed = self.cross_layer(x)
        out = self.mlp(crossed) if self.stacked else torch.cat([self.mlp(x), crossed], 1)
        out = self.last_linear(out)
        return out.squeeze(-1) if self.n_classes == 1 else out


class NumEmbedding(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n, 1, d).uniform_(-1, 1))

    def forward(self, x_num):
        return x_num[:, :, None] * self.weight[:, 0]


def offsets_of(categories):
    first_rows = torch.tensor([0, *categories[:-1]]).cumsum(0)
    return nn.Parameter(first_rows, requires_grad=False)


class CatEmbedding(nn.Module):
    """One table for all fields."""

    def __init__(self, categories, d):
        super().__init__()
        self.embedding = nn.Embedding(sum(categories), d)
        self.offsets = offsets_of(categories)
        nn.init.xavier_uniform_(self.embedding.weight.data)

    def forward(self, x_cat):
        return self.embedding(x_cat + self.offsets)


class CatLinear(nn.Module):
    def __init__(self, categories, d_out):
        super().__init__()
        self.fc = nn.Embedding(sum(categories), d_out)
        self.bias = nn.Parameter(torch.zeros(d_out))
        self.offsets = offsets_of(categories)
        nn.init.xavier_uniform_(self.fc.weight.data)

    def forward(self, x_cat):
        return self.bias + self.fc(x_cat + self.offsets).sum(1)


class SENetAttention(nn.Module):
    def __init__(self, fields, reduction_ratio):
        super().__init__()
        reduced = max(1, int(fields / reduction_ratio))
        self.excitation = nn.Sequential(
            nn.Linear(fields, reduced, bias=False), nn.ReLU(),
            nn.Linear(reduced, fields, bias=False), nn.ReLU())

    def forward(self, x):
        return x * self.excitation(x.mean(2))[:, :, None]


class BilinearInteraction(nn.Module):
    def __init__(self, fields, d, bilinear_type):
        super().__init__()
        self.pairs = list(combinations(range(fields), 2))
        self.bilinear_type = bilinear_type
        if bilinear_type == "field_all":
            self.bilinear_layer = nn.Linear(d, d, bias=False)
        else:
            count = fields if bilinear_type == "field_each" else len(self.pairs)
            self.bilinear_layer = nn.ModuleList(nn.Linear(d, d, bias=False) for _ in range(count))

    def layer(self, pair, field):
        if self.bilinear_type == "field_all":
            return self.bilinear_layer
        return self.bilinear_layer[field if self.bilinear_type == "field_each" else pair]

    def forward(self, x):
        return torch.stack([self.layer(p, i)(x[:, i]) * x[:, j] for p, (i, j) in enumerate(self.pairs)], 1)


class FiBiNET(nn.Module):
    def __init__(self, d_numerical, categories, d_embed, mlp_layers, mlp_dropout, reduction_ratio=3,
                 bilinear_type="field_interaction", n_classes=1):
        super().__init__()
        self.n_classes = n_classes
        n_num, n_cat = d_numerical or 0, len(categories or [])
        self.num_linear = nn.Linear(n_num, n_classes) if n_num else None
        self.cat_linear = CatLinear(categories, n_classes) if n_cat else None
        self.num_embedding = NumEmbedding(n_num, d_embed) if n_num else None
        self.cat_embedding = CatEmbedding(categories, d_embed) if n_cat else None
        fields = n_num + n_cat
        self.se_attention = SENetAttention(fields, reduction_ratio)
        self.bilinear = BilinearInteraction(fields, d_embed, bilinear_type)
        self.mlp = MLP(fields * (fields - 1) * d_embed, mlp_layers, mlp_dropout, n_classes)

    def forward(self, features):
        x_num, x_cat = features
        wide, fields = 0, []
        if self.num_linear is not None:
            wide = wide + self.num_linear(x_num)
            fields.append(self.num_embedding(x_num))
        if self.cat_linear is not None:
            wide = wide + self.cat_linear(x_cat)
            fields.append(self.cat_embedding(x_cat))
        x = torch.cat(fields, 1)
        interactions = torch.cat([self.bilinear(x), self.bilinear(self.se_attention(x))], 1)
        out = wide + self.mlp(interactions.flatten(1))
        return out.squeeze(-1) if self.n_classes == 1 else out


class WideAndMore(nn.Module):
    """A linear part over all features, and embeddings of the categories; what reads them is the subclass's."""

    def __init__(self, n_num, categories, d_embed, n_classes):
        super().__init__()
        self.n_classes = n_classes
        self.num_linear = nn.Linear(n_num, n_classes) if n_num else None
        self.cat_linear = CatLinear(categories, n_classes) if categories else None
        self.cat_embedding = CatEmbedding(categories, d_embed) if categories else None

    def wide(self, x_num, x_cat):
        numbers = 0 if self.num_linear is None else self.num_linear(x_num)
        return numbers if self.cat_linear is None else numbers + self.cat_linear(x_cat)

    def answer(self, logits):
        return logits.squeeze(-1) if self.n_classes == 1 else logits


class DeepFM(WideAndMore):
    """Guo et al. 2017, with numbers embedded as FiBiNET does. With several classes every class weighs the columns of
    the pairs' products in its own way; with one, as in the paper, their sum counts."""

    def __init__(self, d_numerical, categories, d_embed=8, mlp_layers=(128, 64, 32), mlp_dropout=0.25, n_classes=1):
        super().__init__(d_numerical, categories, d_embed, n_classes)
        self.num_embedding = NumEmbedding(d_numerical, d_embed) if d_numerical else None
        fields = (d_numerical or 0) + len(categories or [])
        self.fm_linear = nn.Linear(d_embed, n_classes, bias=False) if n_classes > 1 else None
        self.mlp = MLP(fields * d_embed, mlp_layers, mlp_dropout, n_classes)

    def forward(self, features):
        x_num, x_cat = features
        fields = [] if self.num_embedding is None else [self.num_embedding(x_num)]
        if self.cat_embedding is not None:
            fields.append(self.cat_embedding(x_cat))
        x = torch.cat(fields, 1)
        pairs = (x.sum(1) ** 2 - (x**2).sum(1)) / 2
        pairs = pairs.sum(1, keepdim=True) if self.fm_linear is None else self.fm_linear(pairs)
        return self.answer(self.wide(x_num, x_cat) + pairs + self.mlp(x.flatten(1)))


class WideDeep(WideAndMore):
    """Cheng et al. 2016: numbers go into the MLP as they are, categories as embeddings."""

    def __init__(self, d_numerical, categories, d_embed=8, mlp_layers=(128, 64, 32), mlp_dropout=0.25, n_classes=1):
        super().__init__(d_numerical, categories, d_embed, n_classes)
        self.mlp = MLP((d_numerical or 0) + len(categories or []) * d_embed, mlp_layers, mlp_dropout, n_classes)

    def forward(self, features):
        x_num, x_cat = features
        parts = [] if self.num_linear is None else [x_num]
        if self.cat_embedding is not None:
            parts.append(self.cat_embedding(x_cat).flatten(1))
        return self.answer(self.wide(x_num, x_cat) + self.mlp(torch.cat(parts, 1)))


CLASSES = {"deepcross": DeepCross, "fibinet": FiBiNET, "deepfm": DeepFM, "wide_deep": WideDeep}
ARGUMENTS = {
    "deepcross": ("d_embed_max", "n_cross", "cross_type", "low_rank", "n_experts", "stacked"),
    "fibinet": ("d_embed", "reduction_ratio", "bilinear_type"),
    "deepfm": ("d_embed",),
    "wide_deep": ("d_embed",),
}


def build(config):
    """The network, with random weights, of ctr_config(model) as a dictionary."""
    options, inputs = config["options"], config["inputs"]
    names = ("mlp_layers", "mlp_dropout", "n_classes", *ARGUMENTS[config["architecture"]])
    return CLASSES[config["architecture"]](
        inputs["d_numerical"], inputs["categories"], **{name: options[name] for name in names})


def _sizes(architecture, state):
    """(numerical inputs, categories of each field), which follow from the shapes of the weights."""
    if architecture == "deepcross":
        tables = [state[name] for name in sorted(
            (n for n in state if n.startswith("cat_embedding.")), key=lambda n: int(n.split(".")[2]))]
        width = state["mlp.mlp.0.weight"].shape[1]  # the numbers, then an embedding for each field
        return width - sum(table.shape[1] for table in tables), [table.shape[0] for table in tables]
    d_numerical = state["num_linear.weight"].shape[1] if "num_linear.weight" in state else 0
    if "cat_linear.offsets" not in state:
        return d_numerical, []
    bounds = [*state["cat_linear.offsets"].tolist(), state["cat_linear.fc.weight"].shape[0]]
    return d_numerical, [end - begin for begin, end in zip(bounds, bounds[1:])]


def load(model):
    """The network of a model's bytes (model::bytea), with its weights."""
    import safetensors.torch

    header = json.loads(model[8:8 + int.from_bytes(model[:8], "little")])
    record = json.loads(header["__metadata__"]["options"])
    options = {**record["network"], "mlp_dropout": record["training"]["mlp_dropout"]}
    state = {name: value for name, value in safetensors.torch.load(bytes(model)).items() if not name.startswith("ctr.")}
    d_numerical, categories = _sizes(options["architecture"], state)
    net = build({"architecture": options["architecture"], "options": options,
                 "inputs": {"d_numerical": d_numerical, "categories": categories}})
    net.load_state_dict(state, strict=True)
    return net


def probability(logits):
    """Of class 1, [rows], where there is one logit a row; else of every class, [rows, classes]."""
    return torch.sigmoid(logits) if logits.ndim == 1 else torch.softmax(logits, 1)


def _field(data, at):
    """NumPy's type of the field at this byte of a COPY, and where the next one begins: a real, or an array of 4-byte elements."""
    length = int.from_bytes(data[at:at + 4], "big", signed=True)
    if length < 4 or 4 < length < 12:
        raise ValueError("a column is NULL, or neither real nor an array")
    if length == 4:
        return [("length", ">i4"), ("value", ">f4")], at + 8
    n = (length - 20) // 8 if length > 12 else 0
    element = int.from_bytes(data[at + 12:at + 16], "big")  # its type's oid: 700 is real, 23 integer
    head = [("head", f"V{4 + min(length, 20)}")]
    if n == 0:
        return head, at + 4 + length
    return head + [("elements", [("length", ">i4"), ("value", ">f4" if element == 700 else ">i4")], n)], at + 4 + length


def read_rows(file):
    """Rows of COPY (SELECT label::real, …, (ctr_encode(model, r)).* FROM rows r) TO … (FORMAT binary), which must have
    no NULL: (all columns before x_num, which must be real, as a float tensor [rows, columns]; x_num [rows, d_numerical];
    x_cat [rows, fields]). file is open in binary mode."""
    import numpy

    data = file.read()
    if data[:11] != b"PGCOPY\n\xff\r\n\0":
        raise ValueError("this is no COPY in binary format")
    begin = at = 19 + int.from_bytes(data[15:19], "big")
    columns = int.from_bytes(data[at:at + 2], "big", signed=True)
    if columns < 2:
        raise ValueError("the COPY has no rows" if columns < 0 else "the COPY lacks x_num and x_cat")
    at += 2
    layout = [("columns", ">i2")]
    for i in range(columns):
        field, at = _field(data, at)
        layout.append((f"field{i}", field))
    row = numpy.dtype(layout)
    count, rest = divmod(len(data) - begin - 2, row.itemsize)
    rows = numpy.frombuffer(data, row, count, begin)
    if rest != 0 or (rows["columns"] != columns).any():
        raise ValueError("rows of the COPY differ in size: is there a NULL?")

    def values(i, dtype):
        names = rows[f"field{i}"].dtype.names
        if "elements" in names:
            return torch.from_numpy(rows[f"field{i}"]["elements"]["value"].astype(dtype))
        return torch.zeros(count, 0, dtype=torch.float32 if dtype == numpy.float32 else torch.int64)

    numbers = [rows[f"field{i}"]["value"].astype(numpy.float32) for i in range(columns - 2)]
    numbers = torch.from_numpy(numpy.stack(numbers, 1)) if numbers else torch.zeros(count, 0)
    return numbers, values(columns - 2, numpy.float32), values(columns - 1, numpy.int64)

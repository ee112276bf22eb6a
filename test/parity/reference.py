"""The networks in PyTorch: what the C engine is compared with.

Same mathematics, constructor arguments and state_dict names as the reference documents of the project; the
only difference in behaviour is that DCN-Mix also works for a batch of one row.
"""

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

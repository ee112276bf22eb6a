"""DeepFM and Wide & Deep in PyTorch: the networks that the documents name as baselines and do not write out.

Of the parts of reference.py, under the names that its FiBiNET has for them.
"""

import torch
from torch import nn

from reference import MLP, CatEmbedding, CatLinear, NumEmbedding


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

"""Where the PyTorch networks come from: python/ctr_torch.py, or a Markdown document's fenced code."""

import ast
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
import ctr_torch  # noqa: E402


def classes_of_document(path):
    """The torch modules that a Markdown document defines in its fenced code; later definitions win."""
    namespace = {"__name__": "document"}
    for block in re.findall(r"^```python\n(.*?)^```", pathlib.Path(path).read_text(), re.M | re.S):
        try:
            tree = ast.parse(block)
        except SyntaxError:  # notebook commands
            continue
        wanted = []
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and any("Module" in ast.unparse(base) for base in node.bases):
                wanted.append(node)
            elif isinstance(node, ast.Import) and all(a.name.split(".")[0] == "torch" for a in node.names):
                wanted.append(node)
            elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("torch", "itertools"):
                wanted.append(node)
        exec(compile(ast.Module(wanted, []), str(path), "exec"), namespace)
    return namespace


def network_classes(document=None):
    """{"DeepCross": class, "FiBiNET": class, "DeepFM": class, "WideDeep": class}, or those that the document defines."""
    return classes_of_document(document) if document else vars(ctr_torch)

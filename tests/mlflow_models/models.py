"""The models of these tests, saved by MLflow itself; run as a program, `models.py FOLDER` writes each to its folder."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from scipy import sparse
from sklearn.linear_model import LinearRegression


class Doubled(PythonModel):
    """Doubles tensors, whether it is one or several by name."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        if isinstance(model_input, dict):
            return {name: value * 2 for name, value in model_input.items()}
        assert isinstance(model_input, np.ndarray) and model_input.dtype == np.float32
        return model_input * 2


class Scaled(PythonModel):
    """Multiplies a column by a parameter."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return (model_input["x"] * params["scale"] + params["offset"]).to_numpy()


class Kinds(PythonModel):
    """Predicts a value of the kind that its input names, and fails where told to."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        kind = model_input["kind"][0]
        if kind == "error":
            raise ValueError("a secret of the model's")
        days = pd.to_datetime(["2026-01-02", "2026-01-03T04:05:06"], format="ISO8601")
        return {
            "table": pd.DataFrame({"label": ["a", None], "p": [0.25, np.nan], "day": days, "n": np.int64([1, 2])}),
            "series": pd.Series([1.5, np.inf], name="p"),
            "unnamed series": pd.Series(["a", "b"]),
            "array": np.array([[1.5, np.nan], [np.inf, -0.0]], dtype=np.float32),
            "texts": np.array(["a", "ü"]),
            "mixed": np.array([1, "a", None, np.float32(0.5)], dtype=object),
            "days": np.array(["2026-01-02", "2026-01-03"], dtype="datetime64[D]"),
            "arrays": {"p": np.array([0.5, 0.25]), "n": np.int32(3), "flag": np.bool_(True)},
            "list": [np.float64(1.0), pd.Timestamp("2026-01-02"), b"bytes", None],
            "rows": [{"p": np.float32(0.5)}, {"p": 1}],
            "number": np.float64(0.1),
            "text": "yes",
            "nothing": None,
            "sparse": sparse.csr_matrix(np.array([[0.0, 1.5], [2.0, 0.0]])),
        }[kind]


class Described(PythonModel):
    """Says what it was given: the types of its columns, and their values."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return [{name: [str(model_input[name].dtype), repr(model_input[name].tolist())] for name in model_input}]


class Lengths(PythonModel):
    """Its signature is its type hint."""

    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


class Years(PythonModel):
    """Its type hint is a type that JSON does not have."""

    def predict(self, model_input: list[datetime.datetime]) -> list[int]:
        return [day.year for day in model_input]


def save_all(folder: Path) -> None:
    """Save each model to a folder of its name."""
    table = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [1, 3, 5]})
    fitted = LinearRegression().fit(table, [1.0, 2.5, 3.0])
    mlflow.sklearn.save_model(fitted, folder / "table", signature=infer_signature(table, fitted.predict(table)))
    mlflow.sklearn.save_model(LinearRegression().fit(table.to_numpy(), [1.0, 2.5, 3.0]), folder / "array")
    tensor = Schema([TensorSpec(np.dtype("float32"), (-1, 2, 2))])
    named = Schema([TensorSpec(np.dtype("float64"), (-1, 2), "x"), TensorSpec(np.dtype("int64"), (-1,), "n")])
    params = ParamSchema([ParamSpec("scale", "double", 1.0), ParamSpec("offset", "double", 0.0)])
    columns = [
        ColSpec(DataType.datetime, "day"),
        ColSpec(DataType.binary, "data"),
        ColSpec(DataType.boolean, "flag"),
        ColSpec(DataType.string, "text"),
        ColSpec(DataType.float, "small"),
        ColSpec(DataType.integer, "count", required=False),
    ]
    for name, model, signature in (
        ("tensor", Doubled(), ModelSignature(tensor)),
        ("tensors", Doubled(), ModelSignature(named)),
        ("scaled", Scaled(), ModelSignature(Schema([ColSpec("double", "x")]), params=params)),
        ("kinds", Kinds(), ModelSignature(Schema([ColSpec("string", "kind")]))),
        ("described", Described(), ModelSignature(Schema(columns))),
        ("described without signature", Described(), None),
        ("lengths", Lengths(), None),
        ("years", Years(), None),
    ):
        given = {"signature": signature} if signature else {}
        mlflow.pyfunc.save_model(folder / name, python_model=model, pip_requirements=["mlflow", "pandas"], **given)


if __name__ == "__main__":
    save_all(Path(sys.argv[1]))

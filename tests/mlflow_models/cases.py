"""Requests to the models of `models.py`: what is sent, and what `mlflow.pyfunc` is called with for the same answer."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ROWS = [{"a": 1.5, "b": 2}, {"a": -3.0, "b": 40}]
SPLIT = {"columns": ["a", "b"], "index": [7, 8], "data": [[1.5, 2], [-3.0, 40]]}
DATA = [[1.5, 2.0], [-3.0, 40.0]]
CUBE = [[[1.5, 2], [3, 4]], [[0.1, -1], [0, 1e30]]]
NAMED = {"x": [[1.5, 2.5], [3.5, 4.5]], "n": [1, 2]}
DESCRIBED = {
    "day": "2026-01-02T03:04:05",
    "data": base64.b64encode(b"\x00\xff").decode(),
    "flag": True,
    "text": "ü",
    "small": 0.5,
}
KINDS = (
    "table, series, unnamed series, array, texts, mixed, days, arrays, list, rows, number, text, nothing, sparse"
).split(", ")


@dataclass(frozen=True)
class Case:
    """A request that a model answers.

    :param model: the model's name.
    :param body: the request's body; what is no text is sent as JSON.
    :param direct: gives, of numpy and pandas, what `predict` is called with: the input, and parameters if any.
    :param content_type: the request's.
    """

    model: str
    body: Any
    direct: Callable[[Any, Any], tuple[Any, ...]]
    content_type: str = "application/json"

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    @property
    def format(self) -> str:
        """The key that holds the data."""
        return "csv" if isinstance(self.body, str) else next(key for key in self.body if key != "params")

    @property
    def text_for_mlflow(self) -> str:
        """The same for MLflow's server, which knows no `input_data`."""
        if self.format != "input_data":
            return self.text
        data = self.body["input_data"]
        is_table = isinstance(data, dict) and "columns" in data and "more" not in data
        key = "dataframe_split" if is_table else "inputs"
        return json.dumps({key: data, **{name: value for name, value in self.body.items() if name == "params"}})


def _table(np: Any, pd: Any) -> tuple[Any]:
    return (pd.DataFrame(ROWS),)


def _array(np: Any, pd: Any) -> tuple[Any]:
    return (np.array(DATA),)


def _frame(np: Any, pd: Any) -> tuple[Any]:
    return (pd.DataFrame(DATA),)


def _cube(np: Any, pd: Any) -> tuple[Any]:
    return (np.array(CUBE, dtype=np.float32),)


def _named(np: Any, pd: Any) -> tuple[Any]:
    return ({"x": np.array(NAMED["x"]), "n": np.array(NAMED["n"])},)


def _scaled(np: Any, pd: Any) -> tuple[Any, dict[str, float]]:
    return pd.DataFrame({"x": [1.0, 2.5]}), {"scale": 3.0}


def _unscaled(np: Any, pd: Any) -> tuple[Any]:
    return (pd.DataFrame({"x": [1.0, 2.5]}),)


def _described(np: Any, pd: Any) -> tuple[Any]:
    table = pd.DataFrame([{**DESCRIBED, "data": b"\x00\xff", "day": pd.Timestamp(DESCRIBED["day"])}])
    return (table.astype({"small": "float32", "day": "datetime64[ns]"}),)


def _parts(np: Any, pd: Any) -> tuple[Any]:
    return ({"columns": np.array([1.5]), "data": np.array([2]), "more": np.array([3])},)


def _years(np: Any, pd: Any) -> tuple[Any]:
    return ([datetime.datetime(2026, 1, 2, 3, 4, 5)],)


def _kind(kind: str) -> Callable[[Any, Any], tuple[Any]]:
    return lambda np, pd: (pd.DataFrame({"kind": [kind]}),)


CASES: dict[str, Case] = {
    # A model that was trained on a DataFrame, with its signature.
    "table: Azure ML's table": Case("table", {"input_data": SPLIT}, _table),
    "table: Azure ML's table without index": Case(
        "table", {"input_data": {key: SPLIT[key] for key in ("columns", "data")}}, _table
    ),
    "table: Azure ML's columns by name": Case("table", {"input_data": {"a": [1.5, -3.0], "b": [2, 40]}}, _table),
    "table: inputs by name": Case("table", {"inputs": {"b": [2, 40], "a": [1.5, -3.0]}}, _table),
    "table: instances": Case("table", {"instances": ROWS}, _table),
    "table: dataframe_split": Case("table", {"dataframe_split": SPLIT}, _table),
    "table: dataframe_records": Case("table", {"dataframe_records": ROWS}, _table),
    "table: whole numbers": Case(
        "table",
        {"dataframe_split": {**SPLIT, "data": [[1, 2], [-3, 40]]}},
        lambda np, pd: (pd.DataFrame({"a": [1.0, -3.0], "b": [2, 40]}),),
    ),
    "table: a column too many": Case("table", {"dataframe_records": [{**row, "c": "x"} for row in ROWS]}, _table),
    "table: CSV": Case("table", "b,a\n2,1.5\n40,-3.0\n", _table, "text/csv"),
    "table: CSV, charset": Case("table", "b,a\n2,1.5\n40,-3.0\n", _table, "text/csv; charset=utf-8"),
    "table: no params, though named": Case("table", {"inputs": {"a": [1.5, -3.0], "b": [2, 40]}, "params": {}}, _table),
    # A model that was trained on an array, without a signature.
    "array: Azure ML's tensor": Case("array", {"input_data": DATA}, _array),
    "array: inputs": Case("array", {"inputs": DATA}, _array),
    "array: instances": Case("array", {"instances": DATA}, _array),
    "array: dataframe_split without columns": Case("array", {"dataframe_split": {"data": DATA}}, _frame),
    "array: CSV": Case("array", "x,y\n1.5,2.0\n-3.0,40.0\n", _frame, "text/csv"),
    # A tensor, and tensors by name.
    "tensor: Azure ML's tensor": Case("tensor", {"input_data": CUBE}, _cube),
    "tensor: inputs": Case("tensor", {"inputs": CUBE}, _cube),
    "tensor: instances": Case("tensor", {"instances": CUBE}, _cube),
    "tensors: Azure ML's tensors": Case("tensors", {"input_data": NAMED}, _named),
    "tensors: inputs": Case("tensors", {"inputs": NAMED}, _named),
    "tensors: instances": Case(
        "tensors", {"instances": [{"x": x, "n": n} for x, n in zip(NAMED["x"], NAMED["n"], strict=True)]}, _named
    ),
    # Parameters.
    "scaled: Azure ML's table, params": Case(
        "scaled",
        {"input_data": {"columns": ["x"], "index": [0, 1], "data": [[1.0], [2.5]]}, "params": {"scale": 3}},
        _scaled,
    ),
    **{
        f"scaled: {key}, params": Case("scaled", {key: value, "params": {"scale": 3.0}}, _scaled)
        for key, value in {
            "inputs": {"x": [1.0, 2.5]},
            "instances": [{"x": 1.0}, {"x": 2.5}],
            "dataframe_split": {"columns": ["x"], "data": [[1.0], [2.5]]},
            "dataframe_records": [{"x": 1.0}, {"x": 2.5}],
        }.items()
    },
    "scaled: without params": Case("scaled", {"inputs": {"x": [1.0, 2.5]}}, _unscaled),
    "scaled: params null": Case("scaled", {"inputs": {"x": [1.0, 2.5]}, "params": None}, _unscaled),
    "scaled: a list for the one column": Case("scaled", {"inputs": [1.0, 2.5]}, _unscaled),
    # Types that JSON does not have.
    "described: dataframe_records": Case("described", {"dataframe_records": [DESCRIBED]}, _described),
    "described: dataframe_split": Case(
        "described", {"dataframe_split": {"columns": list(DESCRIBED), "data": [list(DESCRIBED.values())]}}, _described
    ),
    "described: Azure ML's table": Case(
        "described", {"input_data": {"columns": list(DESCRIBED), "data": [list(DESCRIBED.values())]}}, _described
    ),
    "described without signature: dataframe_records": Case(
        "described without signature", {"dataframe_records": [DESCRIBED]}, lambda np, pd: (pd.DataFrame([DESCRIBED]),)
    ),
    "described without signature: Azure ML's columns, called as a table's parts": Case(
        "described without signature", {"input_data": {"columns": [1.5], "data": [2], "more": [3]}}, _parts
    ),
    # A model whose signature is its type hint.
    "lengths: inputs": Case("lengths", {"inputs": ["a", "bcd"]}, lambda np, pd: (["a", "bcd"],)),
    "lengths: Azure ML's list": Case("lengths", {"input_data": ["a", "bcd"]}, lambda np, pd: (["a", "bcd"],)),
    "years: inputs": Case("years", {"inputs": ["2026-01-02T03:04:05"]}, _years),
    "years: Azure ML's list": Case("years", {"input_data": ["2026-01-02T03:04:05"]}, _years),
    # What models may answer, in both forms.
    **{f"kinds: {kind}": Case("kinds", {"inputs": {"kind": [kind]}}, _kind(kind)) for kind in KINDS},
    **{f"kinds: {kind}, as Azure ML": Case("kinds", {"input_data": {"kind": [kind]}}, _kind(kind)) for kind in KINDS},
}


@dataclass(frozen=True)
class Refusal:
    """A request that is the caller's mistake.

    :param model: the model's name.
    :param body: the body; what is no text is sent as JSON.
    :param message: what the answer's message must hold.
    """

    model: str
    body: Any
    message: str
    content_type: str = "application/json"

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body)


_KEYS = "one of the keys input_data, inputs, instances, dataframe_split, dataframe_records"
REFUSALS: dict[str, Refusal] = {
    "empty": Refusal("table", "", f"The body is empty; expected a JSON object with {_KEYS}"),
    "blank": Refusal("table", " \n", f"The body is empty; expected a JSON object with {_KEYS}"),
    "not JSON": Refusal("table", "{'inputs': [1]}", "The body is not JSON (Expecting property name"),
    "nested without end": Refusal("table", "[" * 100_000, "The body is not JSON ("),
    "list": Refusal("table", DATA, f"The body is JSON, but no object; expected a JSON object with {_KEYS}"),
    "number": Refusal("table", "3", f"The body is JSON, but no object; expected a JSON object with {_KEYS}"),
    "no keys": Refusal("table", {}, f"The body has the keys: none; expected a JSON object with {_KEYS}"),
    "unknown key": Refusal("table", {"data": DATA, "x": 1}, "The body has the keys: data, x; expected a JSON object"),
    "only params": Refusal("scaled", {"params": {"scale": 1.0}}, "The body has the keys: params; expected"),
    "two keys": Refusal("table", {"inputs": DATA, "instances": DATA}, "The body has the keys: inputs, instances;"),
    "both servers' keys": Refusal("table", {"inputs": DATA, "input_data": DATA}, "the keys: inputs, input_data;"),
    "a column too few": Refusal("table", {"dataframe_records": [{"a": 1.0}]}, "Model is missing inputs ['b']"),
    "a column too few for Azure ML": Refusal(
        "table", {"input_data": {"columns": ["a"], "index": [0], "data": [[1]]}}, "Model is missing inputs ['b']"
    ),
    "a list for columns by name": Refusal("table", {"input_data": DATA}, "Model is missing inputs ['a', 'b']"),
    "text for a number": Refusal(
        "table", {"dataframe_records": [{"a": "x", "b": 1}]}, "dataframe_records cannot be read: Invalid input. Data"
    ),
    "text for a number, Azure ML's": Refusal(
        "table", {"input_data": {"columns": ["a", "b"], "data": [["x", 1]]}}, "input_data cannot be read: Invalid"
    ),
    "null for a whole number": Refusal("table", {"dataframe_records": [{"a": 1.0, "b": None}]}, "convert column b"),
    "split is a list": Refusal("table", {"dataframe_split": DATA}, "Dataframe split format must be a dictionary"),
    "split without data": Refusal("table", {"dataframe_split": {"columns": ["a"]}}, "must have 'data' field"),
    "split, a row too short": Refusal("table", {"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, "columns"),
    "records are no list": Refusal("table", {"dataframe_records": {"a": 1}}, "must be a list of records"),
    "null": Refusal("table", {"inputs": None}, "Model is missing inputs ['a', 'b']"),
    "CSV without a column": Refusal("table", "a\n1\n", "Model is missing inputs ['b']", "text/csv"),
    "CSV with text for a number": Refusal("table", "a,b\nx,1\n", "csv cannot be read:", "text/csv"),
    "empty CSV": Refusal("table", "", "csv cannot be read: No columns to parse", "text/csv"),
    "a tensor of another shape": Refusal("tensor", {"inputs": [[1, 2]]}, "does not match expected shape (-1, 2, 2)"),
    "a tensor with text": Refusal("tensor", {"inputs": [["x"]]}, "could not convert string to float"),
    "an uneven tensor": Refusal("tensor", {"input_data": [[1, 2], [3]]}, "input_data cannot be read: Invalid input."),
    "a tensor too few": Refusal("tensors", {"inputs": {"x": [[1, 2]]}}, "Model is missing inputs ['n']"),
    "params are a list": Refusal("scaled", {"inputs": {"x": [1]}, "params": [3]}, "must be a dictionary"),
    "params of another type": Refusal("scaled", {"inputs": {"x": [1]}, "params": {"scale": "x"}}, "scale"),
    "another type than the hint's": Refusal("lengths", {"inputs": [1]}, "Expected type str, but got int"),
    "a table for a hint": Refusal("lengths", {"dataframe_records": [{"a": "x"}]}, "in inputs or input_data"),
}

"""Scores an MLflow model: the entry script of an image whose model came without one.

It takes the requests of Azure ML's deployments without code, `{"input_data": …}`, and those of MLflow's own server:
`inputs`, `instances`, `dataframe_split`, `dataframe_records`, and tables as CSV. Each is answered as its server does.

Sources: Azure ML documentation, how-to-deploy-mlflow-models; Azure ML's own script (github.com/Azure/azureml-assets,
mlflow_score_script.py); MLflow's server (mlflow.pyfunc.scoring_server). What is imported of mlflow.utils is what that
server imports, too, and what MLflow keeps compatible for it.
"""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import io
import json
import logging
import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas
from azureml.contrib.services.aml_response import AMLResponse  # the image's runtime has it
from mlflow.exceptions import MlflowException
from mlflow.utils.proto_json_utils import NumpyEncoder, dataframe_from_parsed_json, parse_tf_serving_input

FORMATS = ("input_data", "inputs", "instances", "dataframe_split", "dataframe_records")
# AZUREML_MODEL_DIR/MODEL/MLmodel, and with several registered models AZUREML_MODEL_DIR/NAME/VERSION/MODEL/MLmodel.
DEEPEST = 3

logger = logging.getLogger("mlflow_scoring")
model: Any = None


class BadRequest(Exception):
    """The request cannot be scored; the message says what was found and what is taken."""


def init() -> None:
    """Load the model, once in a process."""
    global model
    # As MLflow's server does: type hints of a model then take dates and bytes as JSON has them.
    os.environ.setdefault("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    model = mlflow.pyfunc.load_model(str(find_model(Path(os.environ["AZUREML_MODEL_DIR"]))))


def run(data: str, request_headers: dict[str, str]) -> AMLResponse:
    """Score one request.

    :param data: the body.
    :param request_headers: its headers, of which only the content type counts.
    :return: the predictions as JSON, or status 400 and why.
    """
    try:
        name, value, params = read(data, request_headers.get("Content-Type", ""))
        given = as_model_input(name, value)
        predictions = as_json(model.predict(given, params=params) if params else model.predict(given))
    except (BadRequest, MlflowException) as problem:
        message = reason(problem)
        logger.warning("Answered with status 400: %s", message)
        return AMLResponse({"message": message}, 400, json_str=True)
    answer = predictions if name == "input_data" else {"predictions": predictions}
    return AMLResponse(json.dumps(answer, cls=NumpyEncoder), 200, {"Content-Type": "application/json"})


def find_model(folder: Path) -> Path:
    """The folder of the one MLflow model: `folder` itself, or the nearest one below it.

    :raises FileNotFoundError: there is none.
    :raises ValueError: there are several.
    """
    for depth in range(DEEPEST + 1):
        found = sorted(file.parent for file in folder.glob("*/" * depth + "MLmodel"))
        if len(found) > 1:
            raise ValueError(f"{folder} holds {len(found)} MLflow models, expected one: {', '.join(map(str, found))}")
        if found:
            return found[0]
    raise FileNotFoundError(
        f"{folder} holds no MLflow model: there is no file MLmodel in it, nor in the folders up to {DEEPEST} below it."
    )


def read(data: str, content_type: str) -> tuple[str, Any, Any]:
    """The request's format, what it holds, and the parameters for the model or None.

    :raises BadRequest: it is in none of the formats, or in several.
    """
    if content_type.partition(";")[0].strip().lower() == "text/csv":
        return "csv", data, None
    expected = f"expected a JSON object with one of the keys {', '.join(FORMATS)}, and params if the model takes any"
    try:
        request = json.loads(data)
    except (ValueError, RecursionError) as problem:
        found = f"The body is not JSON ({problem})" if data.strip() else "The body is empty"
        raise BadRequest(f"{found}; {expected}.") from None
    if not isinstance(request, dict):
        raise BadRequest(f"The body is JSON, but no object; {expected}.")
    names = [name for name in FORMATS if name in request]
    if len(names) != 1:
        listed = ", ".join(list(request)[:20]) or "none"
        raise BadRequest(f"The body has the keys: {listed}; {expected}.")
    return names[0], request[names[0]], request.get("params")


def as_model_input(name: str, value: Any) -> Any:
    """What the model is given: a DataFrame, an array, or arrays by name, with the types of the model's signature.

    :param name: the format, `csv` or one of `FORMATS`.
    :raises BadRequest: the data is not what its format says.
    """
    schema = model.metadata.get_input_schema()
    key = name if name != "input_data" else "dataframe_split" if _is_table(value) else "inputs"
    try:
        if model.metadata.to_dict().get("is_signature_from_type_hint"):
            if name in ("input_data", "inputs"):
                return value  # the model checks it itself
            raise ValueError("the model's signature is a type hint, so its data must be in inputs or input_data")
        if key == "csv":
            types = dict(zip(schema.input_names(), schema.pandas_types(), strict=True)) if schema else None
            return pandas.read_csv(io.StringIO(value), dtype=types)
        if key.startswith("dataframe_"):
            return dataframe_from_parsed_json(value, key.removeprefix("dataframe_"), schema)
        return parse_tf_serving_input({key: value}, schema)
    except Exception as problem:
        raise BadRequest(f"{name} cannot be read: {reason(problem)}") from problem


def _is_table(value: Any) -> bool:
    """Whether Azure ML takes it for a table and not for tensors by name."""
    return isinstance(value, dict) and {"columns", "data"} <= value.keys() <= {"columns", "index", "data"}


def as_json(predictions: Any) -> Any:
    """Predictions as JSON's own types, but for what `NumpyEncoder` knows: tables become a list of rows by name."""
    if isinstance(predictions, pandas.Series):
        predictions = predictions.to_frame()
    if isinstance(predictions, pandas.DataFrame):
        return predictions.to_dict(orient="records")
    return predictions.toarray() if hasattr(predictions, "toarray") else predictions  # scipy's sparse matrices


def reason(problem: Exception) -> str:
    """An error's message, without the data that MLflow repeats in it."""
    text = str(problem)
    return text.rpartition("Error: ")[2] if text.startswith("Failed to enforce schema of data") else text

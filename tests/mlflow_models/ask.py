"""Asks the models in several ways, as a program under the interpreter that has MLflow: `ask.py IN.json OUT.json`.

IN.json names the folders of the models, of the image's runtime and of the scoring script. OUT.json gets, for each
request of `cases.py`, the answers of `mlflow.pyfunc`, of MLflow's own server, and of the script in the runtime.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cases import CASES, REFUSALS, Case
from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server


def as_json(predictions: Any, name: str) -> str:
    """Predictions as MLflow writes them, or why it cannot."""
    out = io.StringIO()
    if name == "input_data":
        scoring_server.unwrapped_predictions_to_json(predictions, out)
    else:
        scoring_server.predictions_to_json(predictions, out)
    return out.getvalue()


class Ours:
    """The scoring script, served by the image's runtime for one model."""

    def __init__(self, folder: Path, scoring: str) -> None:
        os.environ |= {"AML_APP_ROOT": scoring, "AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": str(folder)}
        settings = _runtime("settings").read_settings(os.environ, folder)
        script = _runtime("user_script").start(settings)
        self._routes = _runtime("routes").Routes(settings, _runtime("scoring").Scorer(script, 1))

    def ask(self, text: str, content_type: str) -> dict[str, Any]:
        headers = {"content-type": content_type}
        request = _runtime("aml_request").make_request("POST", "http://localhost/score", headers, text.encode())
        answer = self._routes.respond(request)
        return {"status": answer.status, "headers": dict(answer.headers), "body": answer.body.decode()}


def _runtime(name: str) -> Any:
    return importlib.import_module(f"mlfunc_runtime.{name}")


def ask_server(model: Any, text: str, content_type: str) -> dict[str, Any]:
    """What MLflow's own server answers: the function behind its endpoint, and what that makes of exceptions."""
    try:
        answer = scoring_server.invocations(text, content_type, model, model.metadata.get_input_schema())
        return {"status": answer.status, "body": answer.response}
    except MlflowException as problem:
        return {"status": problem.get_http_status_code(), "body": problem.serialize_as_json()}
    except Exception as problem:  # for example, JSON cannot write what the model predicted
        return {"status": 500, "body": str(problem)}


def ask_directly(model: Any, case: Case) -> str:
    """What the model itself answers; sparse matrices as the arrays that they stand for, as MLflow cannot write them."""
    data, *params = case.direct(np, pd)
    predictions = model.predict(data, params=params[0]) if params else model.predict(data)
    return as_json(predictions.toarray() if hasattr(predictions, "toarray") else predictions, case.format)


PLACES = {
    "here": ["MLmodel"],
    "one below": ["model/MLmodel"],
    "name, version, folder": ["name/1/model/MLmodel"],
    "one in another": ["outer/MLmodel", "outer/artifacts/MLmodel"],
    "none": ["model.pkl", "a/b/c/d/MLmodel"],
    "two": ["a/MLmodel", "b/MLmodel"],
}


def find_models(folder: Path) -> dict[str, str]:
    """Where the script finds the model of AZUREML_MODEL_DIR, or why it does not."""
    found = {}
    for name, files in PLACES.items():
        root = folder / name
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).touch()
        try:
            found[name] = str(sys.modules["entry_module"].find_model(root).relative_to(root))
        except (FileNotFoundError, ValueError) as problem:
            found[name] = f"{type(problem).__name__}: {problem}".replace(str(root), "FOLDER")
    return found


def main(asked: str, answered: str) -> None:
    """Ask every model all its requests."""
    given = json.loads(Path(asked).read_text())
    answers: dict[str, Any] = {"cases": {}, "refusals": {}, "errors": {}}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mlfunc_runtime").symlink_to(given["runtime"])
        sys.path.insert(0, folder)
        _runtime("aliases").install()
        for name in sorted({case.model for case in (*CASES.values(), *REFUSALS.values())}):
            ours = Ours(Path(given["models"], name), given["scoring"])
            model = pyfunc.load_model(str(Path(given["models"], name)))
            for key, case in CASES.items():
                if case.model == name:
                    answers["cases"][key] = {
                        "ours": ours.ask(case.text, case.content_type),
                        "direct": ask_directly(model, case),
                        "server": ask_server(model, case.text_for_mlflow, case.content_type),
                    }
            for key, refusal in REFUSALS.items():
                if refusal.model == name:
                    answers["refusals"][key] = {
                        "ours": ours.ask(refusal.text, refusal.content_type),
                        "server": ask_server(model, refusal.text, refusal.content_type),
                    }
            if name == "kinds":
                answers["errors"]["run"] = ours.ask(json.dumps({"inputs": {"kind": ["error"]}}), "application/json")
        answers["found"] = find_models(Path(folder))
    Path(answered).write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])

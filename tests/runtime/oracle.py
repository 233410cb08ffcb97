"""Azure ML's own server (azureml-inference-server-http) as a program: `oracle.py REQUESTS.json RESPONSES.json`.

The environment says which script it serves, as in Azure ML. The requests are sent one after another through Flask's
test client. It runs in a process of its own, under the interpreter that has that package.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any


def respond(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request and describe the response."""
    body = base64.b64decode(request["body"])
    try:
        response = client.open(
            request["target"], method=request["method"], headers=request["headers"], data=body or None
        )
    except SystemExit:
        return {"status": "exit", "headers": [], "body": ""}
    return {
        "status": response.status_code,
        "headers": list(response.headers),
        "body": base64.b64encode(response.get_data()).decode(),
    }


def main(requests_file: str, responses_file: str) -> None:
    """Serve the script of the environment; where it cannot be served, write null."""
    responses = None
    try:
        from azureml_inference_server_http.server.create_app import create

        client = create().test_client(use_cookies=False)
    except SystemExit as error:
        if error.code != 3:  # the server's own exit code for a script that cannot be served
            raise
    else:
        responses = [respond(client, request) for request in json.loads(Path(requests_file).read_text())]
    Path(responses_file).write_text(json.dumps(responses))


if __name__ == "__main__":
    main(*sys.argv[1:])

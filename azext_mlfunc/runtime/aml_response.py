"""The response that an entry script may return to choose status and headers itself.

Entry scripts import it from `azureml.contrib.services.aml_response` or from
`azureml_inference_server_http.api.aml_response`; `aliases.py` leads those names here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

RUN_FAILED = "x-ms-run-function-failed"

# A comma separates two cookies only where another name=value follows: the one in "Expires=Wed, 21 Oct …" does
# not.
_NEXT_COOKIE = re.compile(r",\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)")


class AMLResponse(Response):
    """A response of an entry script: werkzeug's `Response`, of which Flask's (that of Azure ML) is a
    subclass.

    :param message: the body: text or bytes; with `json_str` any value that JSON can write; None is the body
        `{}`.
    :param status_code: the HTTP status.
    :param response_headers: headers by name. Several values of one name are written with commas between them.
    :param json_str: write `message` as JSON.
    :param run_function_failed: the value of the header `x-ms-run-function-failed`.
    """

    default_mimetype = "text/html"  # Flask's

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, Any] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        if message is None or json_str:
            body = json.dumps({} if message is None else message)
            super().__init__(body, status=status_code, mimetype="application/json")
        else:
            super().__init__(message, status=status_code)
        self.headers[RUN_FAILED] = str(run_function_failed)
        for name, value in (response_headers or {}).items():
            if name.lower() == "set-cookie":
                # Cookies alone cannot share a header (RFC 6265, section 3).
                for cookie in _NEXT_COOKIE.split(str(value)):
                    self.headers.add(name, cookie)
            elif name.lower() == "content-type":
                self.headers.set(name, str(value))
            else:
                self.headers.add(name, str(value))

"""Entry point of the HTTP trigger; loading it loads the entry script and runs its init()."""

from __future__ import annotations

from azure.functions import HttpRequest, HttpResponse

from .aml_request import make_request
from .process import started
from .routes import Routes
from .scoring import Answer

# The host writes these itself, to fit the body as it sends it.
_HOST_HEADERS = ("content-length", "transfer-encoding", "connection")

_process = started()
_routes = Routes(_process.settings, _process.scorer)


def score(request: HttpRequest) -> HttpResponse:
    """Answer one request: the function that the worker calls, on one of its threads."""
    asked = make_request(request.method, request.url, request.headers, request.get_body())
    return _to_functions(_routes.respond(asked))


def _to_functions(answer: Answer) -> HttpResponse:
    """The answer as the worker wants it.

    The worker keeps the last of several headers of one name, so they are joined, which means the same (RFC
    9110, section 5.3). It treats cookies apart, and cannot do without a content type: of that, the last
    counts.
    """
    joined: dict[str, tuple[str, str]] = {}
    cookies: list[str] = []
    for name, value in answer.headers:
        key = name.lower()
        if key == "set-cookie":
            cookies.append(value)
        elif key in joined and key != "content-type":
            joined[key] = (name, f"{joined[key][1]}, {value}")
        elif key not in _HOST_HEADERS:
            joined[key] = (name, value)
    response = HttpResponse(answer.body, status_code=answer.status, headers=dict(joined.values()))
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    return response

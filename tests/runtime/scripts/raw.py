"""Takes the whole request and tells what it sees of it."""

import hashlib

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp  # noqa: F401
from azureml_inference_server_http.api.aml_response import AMLResponse  # noqa: F401


def init():
    pass


@rawhttp
def run(request):
    seen = {
        "method": request.method,
        "path": request.path,
        "url": request.url,
        "host": request.host,
        "scheme": request.scheme,
        "query": request.query_string.decode(),
        "args": request.args.to_dict(flat=False),
        "mimetype": request.mimetype,
        "content_length": request.content_length,
        "user_agent": request.headers.get("User-Agent"),
        "custom": request.headers.get("x-custom"),
        "header_names": sorted(name for name, _ in request.headers if name.startswith("X-")),
        "cookies": request.cookies.to_dict(),
        "authorization": request.authorization and request.authorization.type,
        "accepts_json": request.accept_mimetypes.accept_json,
    }
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        seen["form"] = request.form.to_dict(flat=False)
        seen["files"] = {name: [file.filename, file.read().decode()] for name, file in request.files.items()}
    elif request.is_json:
        seen["json"] = request.get_json(silent=True)
    else:
        seen["sha256"] = hashlib.sha256(request.get_data()).hexdigest()
        seen["again"] = len(request.data)
    return seen

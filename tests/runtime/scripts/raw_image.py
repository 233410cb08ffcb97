"""The documentation's example of binary data: refuses what is no POST, answers bytes with a type of their own."""

from azureml.contrib.services.aml_request import AMLRequest, rawhttp  # noqa: F401
from azureml.contrib.services.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    if request.method == "GET":
        return AMLResponse(str.encode(request.full_path), 200)
    if request.method != "POST":
        return AMLResponse("bad request", 500)
    body = request.get_data(False)
    if body == b"json":
        return {"size": len(body)}
    if body == b"raise":
        raise ValueError("as asked")
    return AMLResponse(bytes(reversed(body)), 200, {"Content-Type": "image/png", "X-Size": str(len(body))})

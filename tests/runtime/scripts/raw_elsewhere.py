"""The decorator counts wherever it is used, on another function than run() too."""

from azureml.contrib.services.aml_request import rawhttp


def init():
    pass


@rawhttp
def helper(request):
    return request.method


def run(request):
    return {"method": helper(request)}

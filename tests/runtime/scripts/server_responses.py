"""The same through the other import path."""

from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


def run(arguments):
    response = AMLResponse(*eval(f"({arguments},)"))
    response.headers.add("X-Repeated", "one")
    response.headers.add("X-Repeated", "two")
    response.headers.add("x-repeated", "three, four")
    return response

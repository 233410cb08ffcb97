"""Returns AMLResponses; the input is the text of their arguments, as a Python expression."""

from azureml.contrib.services.aml_response import AMLResponse


def init():
    pass


def run(arguments):
    return eval(f"AMLResponse({arguments})")

"""A list of mixed types: version 2 of the API description cannot say it."""

from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema

SAMPLE = {"mixed": [1, "two", 3.0]}


def init():
    pass


@input_schema("data", StandardPythonParameterType(SAMPLE))
def run(data):
    return data

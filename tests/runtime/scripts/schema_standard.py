"""Fields of a JSON object become arguments; one has a default, one is optional."""

from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("name", StandardPythonParameterType("Ada"))
@input_schema("count", StandardPythonParameterType(1))
@input_schema("options", StandardPythonParameterType({"loud": True}), optional=True)
@output_schema(StandardPythonParameterType({"text": "Ada"}))
def run(name, count, options=None):
    return {"text": name * count, "options": options}

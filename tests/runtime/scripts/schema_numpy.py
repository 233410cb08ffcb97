"""An array goes in, and the headers too."""

import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
@output_schema(NumpyParameterType(np.array([3.0])))
def run(data, request_headers):
    total = data.sum(axis=1).tolist()
    return {"sums": total, "type": type(data).__name__, "custom": request_headers.get("X-Custom")}

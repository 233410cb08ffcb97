"""A table goes in."""

import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.schema_decorators import input_schema, output_schema

SAMPLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def init():
    pass


@input_schema("table", PandasParameterType(SAMPLE))
@output_schema(PandasParameterType(SAMPLE))
def run(table):
    return table.to_dict(orient="records")

# /// script
# requires-python = ">=3.13"
# dependencies = ["joblib==1.5.2", "numpy==2.3.*", "scikit-learn==1.7.2"]
# ///
"""Print what the example's model says of a sample, asked directly: `predict_directly.py MODEL SAMPLE`."""

import json
import sys
from pathlib import Path

import joblib

model = joblib.load(sys.argv[1])
print(json.dumps(model.predict(json.loads(Path(sys.argv[2]).read_text())["data"]).tolist()))

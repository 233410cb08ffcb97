# /// script
# requires-python = ">=3.13"
# dependencies = ["joblib==1.5.2", "numpy==2.3.*", "scikit-learn==1.7.2"]
# ///
"""Train a ridge regression on scikit-learn's diabetes data and write it to model/diabetes.pkl.

`uv run train.py` installs what it needs and runs it. The data comes with scikit-learn, and the same versions always
give the same model.
"""

from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

MODEL = Path(__file__).parent / "model" / "diabetes.pkl"


def main() -> None:
    """Train, write, and say how well it fits."""
    features, target = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.03).fit(features, target)
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print(f"{MODEL.name}: R2 on the training data is {model.score(features, target):.3f}")


if __name__ == "__main__":
    main()

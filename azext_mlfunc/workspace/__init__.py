"""An Azure Machine Learning workspace: what is registered in it, and the files of its models."""

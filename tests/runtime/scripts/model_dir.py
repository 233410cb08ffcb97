"""Reads its model where Azure ML says it is."""

import os


def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.txt")) as file:
        model = file.read()


def run(data):
    return {"model": model, "data": data}

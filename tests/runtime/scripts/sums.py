"""What most entry scripts look like: JSON text in, a list out; anything else raises."""

import json


def init():
    global weights
    weights = [2, 3]


def run(raw_data):
    rows = json.loads(raw_data)["data"]
    return [sum(w * x for w, x in zip(weights, row)) for row in rows]

"""Pickles and unpickles a class of its own."""

import pickle
from dataclasses import dataclass


@dataclass
class Model:
    name: str


def init():
    global pickled
    pickled = pickle.dumps(Model("mine"))


def run(data):
    return pickle.loads(pickled).name

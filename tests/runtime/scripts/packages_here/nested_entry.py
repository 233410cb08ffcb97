"""An entry script in a folder of its own."""

import sibling


def init():
    pass


def run(data):
    return [sibling.__name__, data]

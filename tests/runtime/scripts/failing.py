"""Raises what the input names."""

import sys


class Strange(Exception):
    def __str__(self):
        raise RuntimeError("not even printable")


def init():
    pass


def run(name):
    if name == "ValueError":
        raise ValueError("a secret detail")
    if name == "KeyError":
        return {}["missing"]
    if name == "TimeoutError":
        raise TimeoutError("of a service that run() calls")
    if name == "chained":
        try:
            run("KeyError")
        except KeyError as error:
            raise RuntimeError("outer") from error
    if name == "strange":
        raise Strange
    if name == "recursion":
        return run(name)
    if name == "exit":
        sys.exit("run() wants to end the process")
    return "fine"

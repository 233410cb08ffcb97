"""Counts its init() calls in a file, and in its own memory."""

import os

calls = 0


def init():
    global calls
    calls += 1
    with open(os.environ["INIT_LOG"], "a") as file:
        file.write("init\n")
    if os.environ.get("INIT_FAILS"):
        raise ValueError("init() fails as asked")


def run(data):
    return calls

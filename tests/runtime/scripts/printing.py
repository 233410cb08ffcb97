"""Prints and logs."""

import logging


def init():
    print("printed by init()")


def run(data):
    print("printed by run()")
    logging.getLogger("my.script").warning("logged by run(): %s", data)
    return "said"

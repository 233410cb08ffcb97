"""Brings descriptions of its API along: version 2 and 3.1, and an empty one of version 3."""


def init():
    pass


def run(data):
    return data

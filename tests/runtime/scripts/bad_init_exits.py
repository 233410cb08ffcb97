import sys


def init():
    sys.exit(0)


def run(data):
    return data

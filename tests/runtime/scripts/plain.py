"""Gives its input back, whatever it is: what run() is called with can be read off the answer."""


def init():
    pass


def run(data):
    return {"type": type(data).__name__, "data": data}

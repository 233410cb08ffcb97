"""Takes the headers beside the text."""


def init():
    pass


def run(data, request_headers):
    kind = type(request_headers).__name__
    return {"data": data, "type": kind, "headers": dict(sorted(request_headers.items()))}

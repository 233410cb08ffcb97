"""Returns Flask's and werkzeug's own responses; the input names which."""

import flask
import werkzeug


def chunks():
    yield "one, "
    yield b"two"


def with_cookies():
    response = flask.Response("cookies")
    response.set_cookie("plain", "1")
    response.set_cookie("all", "a b", path="/score", domain="example.com", secure=True, httponly=True)
    response.set_cookie("dated", "3", max_age=60, expires="Wed, 21 Oct 2026 07:28:00 GMT")
    response.set_cookie("lax", "2", samesite="Lax", expires=0)
    return response


RESPONSES = {
    "text": lambda: flask.Response("text"),
    "bytes": lambda: flask.Response(b"\x00\xff", mimetype="application/octet-stream"),
    "status": lambda: flask.Response("made", status="201 Made here"),
    "json": lambda: flask.Response('{"a":1}', content_type="application/json"),
    "stream": lambda: flask.Response(chunks(), content_type="text/plain"),
    "pieces": lambda: flask.Response(["a", b"b"]),
    "empty": flask.Response,
    "error": lambda: flask.Response("down", status=503),
    "client error": lambda: flask.Response("teapot", status=418),
    "redirect": lambda: flask.redirect("/elsewhere?x=ä"),
    "cookies": with_cookies,
    "repeated": lambda: flask.Response("x", headers=[("X-A", "1"), ("X-A", "2"), ("Vary", "Accept"), ("vary", "Cookie")]),
    "own ids": lambda: flask.Response("x", headers={"x-request-id": "mine", "x-ms-run-function-failed": "maybe"}),
    "own trace": lambda: flask.Response("x", headers={"TraceId": "mine"}),
    "own time": lambda: flask.Response("x", headers={"x-ms-run-fn-exec-ms": "1.000"}),
    "werkzeug": lambda: werkzeug.Response("not flask's", mimetype="text/html"),
    "no content type": lambda: without_type(flask.Response("x")),
}


def without_type(response):
    del response.headers["Content-Type"]
    return response


def init():
    pass


def run(name):
    return RESPONSES[name]()

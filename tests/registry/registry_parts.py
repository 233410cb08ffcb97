"""Registries for the tests: Debian's docker-registry with what stands around it, and a fake for what that cannot do."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local_azure.processes import ManagedProcess
from local_azure.waiting import wait_for

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ADDRESS = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")
_SERVICE = "tests"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Blob:
    """Bytes that are generated, never stored: no two chunks of them are the same."""

    size: int
    seed: int = 0

    def chunks(self) -> Iterator[bytes]:
        block = bytearray(hashlib.sha256(bytes([self.seed])).digest() * (1 << 15))  # 1 MiB
        for start in range(0, self.size, len(block)):
            block[:8] = struct.pack(">Q", start)
            yield bytes(block[: self.size - start])

    @property
    def digest(self) -> str:
        hashed = hashlib.sha256()
        for chunk in self.chunks():
            hashed.update(chunk)
        return f"sha256:{hashed.hexdigest()}"


class Certificate:
    """A certificate for this machine that is its own authority, and the key to it."""

    def __init__(self, folder: Path) -> None:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        import ipaddress

        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(address, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.key = key
        self.file = folder / "certificate.pem"
        self.key_file = folder / "key.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class DockerRegistry:
    """A `docker-registry` process on a free port, with its data in a folder.

    :param folder: its own.
    :param users: user names and passwords; none leaves it open.
    :param tokens: signs in with tokens of this server instead.
    :param certificate: speaks TLS with it.
    :param relative: answers with relative Locations.
    :param largest_file: how many KiB it can write to one file: a full disk.
    """

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, str] | None = None,
        tokens: TokenServer | None = None,
        certificate: Certificate | None = None,
        relative: bool = False,
        largest_file: int | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        settings: dict[str, Any] = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": True}, "formatter": "json"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "http": {"addr": "127.0.0.1:0", "relativeurls": relative},
        }
        if users:
            lines = [
                subprocess.run(["htpasswd", "-Bbn", *user], check=True, capture_output=True, text=True).stdout
                for user in users.items()
            ]
            (folder / "htpasswd").write_text("".join(lines))
            settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
        if tokens:
            settings["auth"] = {
                "token": {
                    "realm": tokens.realm,
                    "service": _SERVICE,
                    "issuer": _SERVICE,
                    "rootcertbundle": str(tokens.certificate.file),
                }
            }
        if certificate:
            settings["http"]["tls"] = {"certificate": str(certificate.file), "key": str(certificate.key_file)}
        (folder / "registry.yml").write_text(json.dumps(settings))  # JSON is YAML
        self._log = folder / "registry.log"
        limit = f"ulimit -f {largest_file}; " if largest_file else ""
        command = ["bash", "-c", f"{limit}exec docker-registry serve {folder / 'registry.yml'}"]
        self._process = ManagedProcess(command, {"PATH": "/usr/bin:/bin"}, self._log)
        self.host = ""

    def __enter__(self) -> DockerRegistry:
        self._process.start()
        try:
            self.host = wait_for(self._address, 30, "docker-registry to listen", 0.01)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None):
        self._process.stop()

    def _address(self) -> str | None:
        text = self._log.read_text() if self._log.exists() else ""
        found = _ADDRESS.search(text)
        assert found or self._process.running, text
        return found[1] if found else None


class Server:
    """An HTTP server on a free port of 127.0.0.1, in threads of its own; refuses TLS at once unless it has some."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], certificate: Certificate | None = None) -> None:
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.file, certificate.key_file)

        class Threading(ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request: Any, client_address: Any) -> None:
                if context:
                    request = context.wrap_socket(request, server_side=True)
                elif request.recv(1, socket.MSG_PEEK) == b"\x16":
                    return  # a TLS handshake
                super().finish_request(request, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # broken connections are what is tested

        self._server = Threading(("127.0.0.1", 0), handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class TokenServer(Server):
    """Gives docker-registry's tokens, for what its users may do.

    :param rights: for each user the actions in each repository; the user "" is everybody.
    """

    password = "a-password-of-the-token-server"
    refresh_token = "a-refresh-token"

    def __init__(self, folder: Path, rights: Mapping[str, Mapping[str, str]]) -> None:
        folder.mkdir(parents=True)
        self.certificate = Certificate(folder)
        self._rights = rights
        self.asked: list[list[str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                outer._answer(self, outer._user(self.headers.get("Authorization")), query.get("scope", []))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                ok = form["grant_type"] == ["refresh_token"] and form["refresh_token"] == [outer.refresh_token]
                outer._answer(self, "refreshed" if ok else None, form.get("scope", [""])[0].split())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(Handler)
        self.realm = f"http://{self.host}/token"

    def _user(self, header: str | None) -> str | None:
        if header is None:
            return ""
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return user if password == self.password else None

    def _answer(self, handler: BaseHTTPRequestHandler, user: str | None, scopes: list[str]) -> None:
        import jwt

        self.asked.append(scopes)
        if user is None or user not in self._rights:
            answer(handler, 401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]})
            return
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = set(actions.split(",")) & set(self._rights[user].get(name, "").split(","))
            access.append({"type": kind, "name": name, "actions": sorted(granted)})
        now = int(time.time())
        der = self.certificate.certificate.public_bytes(serialization.Encoding.DER)
        token = jwt.encode(
            {
                "iss": _SERVICE,
                "sub": user,
                "aud": _SERVICE,
                "exp": now + 600,
                "nbf": now - 10,
                "iat": now,
                "jti": str(len(self.asked)),
                "access": access,
            },
            self.certificate.key,
            "RS256",
            {"x5c": [base64.b64encode(der).decode()]},
        )
        answer(handler, 200, {"access_token": token})


def answer(
    handler: BaseHTTPRequestHandler, status: int, body: object = None, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with JSON, bytes or nothing."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


@dataclass
class Session:
    """An upload that has begun."""

    hashed: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class FakeRegistry(Server):
    """A registry after the OCI Distribution Specification 1.1 that, unlike docker-registry 2.8, says after a break how
    much of a chunk has arrived; it keeps digests and sizes of blobs, not their bytes.

    :param intercept: is shown each request first, with its number among those of its method; answers it itself if it
        returns true.
    :param range_format: how it writes the Range header.
    :param relative: answers with relative Locations.
    """

    def __init__(
        self,
        intercept: Callable[[BaseHTTPRequestHandler, int], bool] = lambda handler, number: False,
        range_format: str = "0-{}",
        relative: bool = False,
        certificate: Certificate | None = None,
    ) -> None:
        self.blobs: dict[str, int] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.sessions: dict[str, Session] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.largest = 0
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        self._intercept = intercept
        self._range_format = range_format
        self._relative = relative
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                with outer._lock:
                    outer.requests.append((self.command, self.path, dict(self.headers)))
                    number = outer._numbers[self.command] = outer._numbers.get(self.command, 0) + 1
                if not outer._intercept(self, number):
                    outer._serve(self)

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = handle_one

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(Handler, certificate)

    @staticmethod
    def new_session() -> Session:
        return Session()

    def count(self, method: str) -> int:
        return self._numbers.get(method, 0)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        *_, kind, name = path.split("/")
        if kind == "v2":
            answer(handler, 200)
        elif kind == "manifests":
            self._manifest(handler, name)
        elif kind == "blobs":
            size = self.blobs.get(name)
            answer(handler, 404 if size is None else 200)
        elif handler.command == "POST":
            upload = f"upload{len(self.requests)}"
            self.sessions[upload] = Session()
            self._accepted(handler, upload, 202)
        elif name not in self.sessions:
            error = {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "no such upload"}]}
            if handler.command == "PATCH":
                handler.close_connection = True  # its body is not read
            answer(handler, 404, error)
        else:
            # A chunk that broke is taken to its end before anything is said of the upload.
            with self.sessions[name].lock:
                self._upload(handler, name)

    def _upload(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        session = self.sessions[name]
        if handler.command == "PATCH":
            start, end = map(int, handler.headers["Content-Range"].split("-"))
            left = int(handler.headers["Content-Length"])
            self.largest = max(self.largest, left)
            if start != session.size or end - start + 1 != left:
                handler.close_connection = True
                answer(handler, 416)
                return
            while left:
                piece = handler.rfile.read1(min(left, 1 << 18))
                if not piece:
                    raise ConnectionError("broken")
                session.hashed.update(piece)
                session.size += len(piece)
                left -= len(piece)
            self._accepted(handler, name, 202)
        elif handler.command == "GET":
            self._accepted(handler, name, 204)
        else:
            digest = parse_qs(urlsplit(handler.path).query)["digest"][0]
            del self.sessions[name]
            if digest != f"sha256:{session.hashed.hexdigest()}":
                answer(handler, 400, {"errors": [{"code": "DIGEST_INVALID", "message": "digest did not match"}]})
                return
            self.blobs[digest] = session.size
            answer(handler, 201, headers={"Docker-Content-Digest": digest})

    def _accepted(self, handler: BaseHTTPRequestHandler, name: str, status: int) -> None:
        base = "" if self._relative else f"http://{handler.headers['Host']}"
        end = max(self.sessions[name].size - 1, 0)
        headers = {
            "Location": f"{base}/v2/a/b/blobs/uploads/{name}?state={len(self.requests)}",
            "Range": self._range_format.format(end),
        }
        answer(handler, status, headers=headers)

    def _manifest(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        if name not in self.manifests:
            answer(handler, 404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})
            return
        media_type, raw = self.manifests[name]
        answer(handler, 200, raw, {"Content-Type": media_type})


class CuttingProxy:
    """A TCP proxy that breaks a connection when a number of bytes has passed, and counts what passed.

    :param host: where it leads to.
    :param cuts: after how many bytes to break: the first, then the second counted from there, and so on.
    :param downward: counts and cuts what comes from the server, instead of what goes to it.
    """

    def __init__(self, host: str, cuts: list[int], downward: bool = False) -> None:
        name, _, port = host.partition(":")
        self._target = (name, int(port))
        self._cuts = list(cuts)
        self._left = self._cuts.pop(0) if self._cuts else None
        self._downward = downward
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.passed = 0
        self.broken = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1:%d" % self._listener.getsockname()[1]  # noqa: UP031

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None):
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Break every connection, wherever it is."""
        for one in self._sockets:
            _shut(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            for source, sink, counted in ((client, server, not self._downward), (server, client, self._downward)):
                threading.Thread(target=self._pump, args=(source, sink, counted), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(1 << 17):
                is_last = False
                if counted:
                    data, is_last = self._count(data)
                sink.sendall(data)
                if is_last:
                    break
        except OSError:
            pass
        _shut(source)
        _shut(sink)

    def _count(self, data: bytes) -> tuple[bytes, bool]:
        with self._lock:
            if self._left is None or len(data) < self._left:
                self.passed += len(data)
                self._left = None if self._left is None else self._left - len(data)
                return data, False
            data = data[: self._left]
            self.passed += len(data)
            self.broken += 1
            self._left = self._cuts.pop(0) if self._cuts else None
            return data, True


def _shut(one: socket.socket) -> None:
    """Break a connection: shutting it down wakes whoever waits for it; only closing it tells the other side."""
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()

"""Plain classes in the shape of the FunctionRpc protobuf messages that the runtime reads and makes.

The runtime is handed its message classes (``properties["protos"]``) and only sets and reads attributes, so neither
grpcio nor protobuf is needed, and the app's own versions of them stay untouched.
Source: FunctionRpc.proto of Azure/azure-functions-language-worker-protobuf.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar


class Message:
    """A protobuf-like message: unset fields read as None; ``WhichOneof`` names the set member of the one union."""

    union: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:  # only asked for what was not set
        if (
            name.startswith("__") or name == "TypedData"
        ):  # the runtime probes `.TypedData` to tell a module from a value
            raise AttributeError(name)
        return None

    def WhichOneof(self, _group: str) -> str | None:
        return next((name for name in self.union if self.__dict__.get(name) is not None), None)


class TypedData(Message):
    union = ("string", "json", "bytes", "http", "int", "double")


class ParameterBinding(Message):
    union = ("data",)


class BindingInfo(Message):
    undefined = 0
    out = 1
    inout = 2


setattr(BindingInfo, "in", 0)  # a keyword in Python


class StatusResult(Message):
    Failure = 0
    Success = 1
    Cancelled = 2


class RpcHttp(Message):
    pass


class RpcHttpCookie(Message):
    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


class RpcException(Message):
    pass


class RpcFunctionMetadata(Message):
    pass


class WorkerMetadata(Message):
    pass


class WorkerInitResponse(Message):
    pass


class FunctionMetadataResponse(Message):
    pass


class FunctionLoadResponse(Message):
    pass


class InvocationResponse(Message):
    pass


class NullableString(Message):
    pass


class NullableBool(Message):
    pass


class NullableDouble(Message):
    pass


class NullableTimestamp(Message):
    pass


class Timestamp(Message):
    """protobuf's own type, which the worker otherwise imports from there."""

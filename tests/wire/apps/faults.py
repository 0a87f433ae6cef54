"""Handlers that are wrong in every way there is: /PACE/KIND/NAME, and /pid, which is well.

PACE: quick, waiting or computing; KIND: what is wrong, a handler's class, its result, or what it raises.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import webpy
from webpy import HTTPError, HTTPHandler, HTTPHeaders


def boom(*_arguments: Any, **_keywords: Any) -> Any:
    raise RuntimeError("boom")


def leave(*_arguments: Any, **_keywords: Any) -> Any:
    raise SystemExit(3)


_LOADED_BY = os.getpid()


def leave_later(*_arguments: Any) -> Any:
    """Raises in a worker, not while routes are compiled."""
    return leave() if os.getpid() != _LOADED_BY else []


def pause(pace: str) -> None:
    if pace == "waiting":
        time.sleep(0.002)
    elif pace == "computing":
        end = time.thread_time() + 0.001
        while time.thread_time() < end:
            pass


# -- results ----------------------------------------------------------------------------------------------------------


class OddInt(int):
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __floordiv__ = __index__ = __repr__ = __str__ = __format__ = boom  # type: ignore[assignment]
    __hash__ = int.__hash__


class Liar(int):
    """Compares as 200, and is not."""

    def __eq__(self, other: object) -> bool:
        return other == 200

    def __hash__(self) -> int:
        return hash(200)

    def __le__(self, other: object) -> bool:
        return True

    __ge__ = __le__

    def __int__(self) -> int:
        return 10**9


class OddStr(str):
    encode = __len__ = __repr__ = __str__ = __eq__ = boom  # type: ignore[assignment]
    __hash__ = str.__hash__


class WrongStr(str):
    def encode(self, *_arguments: Any) -> Any:  # type: ignore[override]
        return 5


class OddBytes(bytes):
    __len__ = __bytes__ = __repr__ = __getitem__ = __iter__ = boom  # type: ignore[assignment]


class LongBytes(bytes):
    def __len__(self) -> int:
        return 10**12


class OddTuple(tuple[Any, ...]):
    __iter__ = __len__ = __getitem__ = __repr__ = boom  # type: ignore[assignment]


class LeavingTuple(tuple[Any, ...]):
    __iter__ = __len__ = __getitem__ = __repr__ = leave  # type: ignore[assignment]


class Attributes:
    """Raises whatever it is asked for, and when it goes."""

    __getattr__ = __iter__ = __len__ = __repr__ = __bool__ = __hash__ = __eq__ = __del__ = boom  # type: ignore[assignment]


class Leaving:
    __getattr__ = __iter__ = __repr__ = __hash__ = __eq__ = __del__ = leave  # type: ignore[assignment]


class Body:
    """An iterable that is what its keywords say, functions of it or values."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece


def body(*pieces: Any, **methods: Any) -> Any:
    return type("Odd", (Body,), methods)(*pieces)


def stream(**methods: Any) -> Any:
    return type("Stream", (), methods)()


def pieces(*given: Any) -> Iterator[Any]:
    for piece in given:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


def written(text: bytes = b"x" * 100_000) -> str:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(text)
    _made.append(file.name)
    for name in _made[:-20]:
        os.unlink(name)
        _made.remove(name)
    return file.name


_made: list[str] = []


def closed_below() -> Any:
    file = open(written(), "rb")
    os.close(os.dup(file.fileno()))
    copy = os.fdopen(os.dup(file.fileno()), "rb", closefd=False)
    os.close(copy.fileno())
    return copy


def closed() -> Any:
    file = open(written(), "rb")
    file.close()
    return file


def detached() -> Any:
    file = open(written(), "rb")
    file.detach()
    return file


def shortened() -> Any:
    name = written()
    file = open(name, "rb")
    file.seek(50_000_000)
    return file


def reader(**methods: Any) -> Any:
    return type("Reader", (io.BufferedReader,), methods)(io.FileIO(written()))


def memory(**methods: Any) -> Any:
    return type("Memory", (io.BytesIO,), methods)(b"x" * 10)


def property_of(function: Callable[..., Any]) -> Any:
    return property(function)


def released() -> Any:
    view = memoryview(b"x")
    view.release()
    return view


def cycle() -> Any:
    one: Any = body(b"x", __del__=boom)
    one.self = one
    return one


STATUSES: dict[str, Any] = {
    "text": "200",
    "none": None,
    "minus": -1,
    "99": 99,
    "100": 100,
    "101": 101,
    "199": 199,
    "600": 600,
    "huge": 10**30,
    "true": True,
    "float": 200.0,
    "nan": float("nan"),
    "enum": HTTPStatus.OK,
    "204": 204,
    "304": 304,
    "205": 205,
    "unknown": 299,
    "odd": OddInt(200),
    "liar": Liar(10**9),
    "list": [],
    "attributes": Attributes(),
    "leaving": Leaving(),
    "bytes": b"200",
}
BODIES: dict[str, Callable[[], Any]] = {
    "int": lambda: 5,
    "object": object,
    "dict": dict,
    "surrogate": lambda: "\ud800",
    "oddstr": lambda: OddStr("x"),
    "wrongstr": lambda: WrongStr("x"),
    "oddbytes": lambda: OddBytes(b"xxx"),
    "longbytes": lambda: LongBytes(b"xxx"),
    "bytearray": lambda: bytearray(b"x"),
    "released": released,
    "attributes": Attributes,
    "leaving": Leaving,
    "class": lambda: Body,
    "large": lambda: b"x" * 70_000,
    "text": lambda: "x" * 70_000,
    "raises at once": lambda: pieces(RuntimeError()),
    "raises midway": lambda: pieces(b"x" * 5, RuntimeError()),
    "leaves at once": lambda: pieces(SystemExit()),
    "leaves midway": lambda: pieces(b"x", SystemExit()),
    "interrupts": lambda: pieces(KeyboardInterrupt()),
    "exits": lambda: pieces(b"x", GeneratorExit()),
    "stops": lambda: body(__iter__=lambda _: iter(map(next, [iter(())]))),
    "error midway": lambda: pieces(b"", HTTPError(404)),
    "odd error": lambda: pieces(odd_error(status="x")),
    "str": lambda: pieces("x"),
    "ints": lambda: pieces(1, 2),
    "nothing": lambda: pieces(None),
    "then str": lambda: pieces(b"x", "x"),
    "oddpiece": lambda: pieces(OddBytes(b"x")),
    "longpiece": lambda: pieces(LongBytes(b"x")),
    "iter": lambda: body(__iter__=boom),
    "iter leaves": lambda: body(__iter__=leave),
    "iter int": lambda: body(__iter__=lambda _: 5),
    "len": lambda: body(b"x", __len__=boom),
    "close": lambda: body(b"x", close=boom),
    "close leaves": lambda: body(b"x", close=leave),
    "close is none": lambda: body(b"x", close=None),
    "close property": lambda: body(b"x", close=property_of(boom)),
    "close leaves property": lambda: body(b"x", close=property_of(leave)),
    "del": lambda: body(b"x", __del__=boom),
    "del leaves": lambda: body(b"x", __del__=leave),
    "cycle": cycle,
    "raises and close": lambda: body(b"x", RuntimeError(), close=boom),
    "read": lambda: stream(read=boom),
    "read leaves": lambda: stream(read=leave),
    "read str": lambda: stream(read=lambda *_: "x"),
    "read none": lambda: stream(read=lambda *_: None),
    "read is 5": lambda: stream(read=5),
    "read property": lambda: stream(read=property_of(leave)),
    "read close": lambda: stream(read=lambda *_: b"", close=boom),
    "fileno": lambda: stream(read=lambda *_: b"", fileno=boom),
    "fileno str": lambda: stream(read=lambda *_: b"", fileno=lambda _: "x"),
    "closed": closed,
    "closed below": closed_below,
    "detached": detached,
    "past end": shortened,
    "no file": lambda: io.BytesIO(),
    "text file": lambda: io.StringIO("x"),
    "write only": lambda: open(written(), "ab"),
    "tell str": lambda: reader(tell=lambda _: "x"),
    "tell minus": lambda: reader(tell=lambda _: -5),
    "tell huge": lambda: reader(tell=lambda _: 10**30),
    "tell": lambda: reader(tell=boom),
    "tell leaves": lambda: reader(tell=leave),
    "reader close": lambda: reader(close=boom),
    "raw": lambda: reader(raw=property_of(boom)),
    "memory read": lambda: memory(read=boom),
    "memory str": lambda: memory(read=lambda *_: "x"),
    "memory close": lambda: memory(close=leave),
    "memory closed": lambda: (lambda file: file.close() or file)(io.BytesIO(b"x")),
}
REASONS: dict[str, Any] = {
    "int": 5,
    "lines": "a\r\nb",
    "surrogate": "\ud800",
    "odd": OddStr("x"),
    "wide": "\u2028",
    "long": "x" * 100_000,
    "bytes": b"x",
    "wrong": WrongStr("x"),
    "leaving": Leaving(),
}
RESULTS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "int": lambda: 5,
    "str": lambda: "x",
    "empty": tuple,
    "one": lambda: (200,),
    "four": lambda: (200, "OK", b"x", 5),
    "dict": dict,
    "set": lambda: {200, "x"},
    "generator": lambda: pieces(200, b"x"),
    "raising generator": lambda: pieces(RuntimeError()),
    "leaving generator": lambda: pieces(200, SystemExit()),
    "tuple": lambda: OddTuple((200, b"x")),
    "leaving tuple": lambda: LeavingTuple((200, b"x")),
    "list": lambda: [200, b"x"],
    "attributes": Attributes,
    "leaving": Leaving,
    "class": lambda: tuple,
    "exception": lambda: RuntimeError(),
    "handler": lambda: HTTPHandler,
    "deep": lambda: ((((),),),),
}


# -- what is raised ---------------------------------------------------------------------------------------------------


class NoInit(HTTPError):
    def __init__(self) -> None:
        pass


class Unspeakable(Exception):
    __str__ = __repr__ = leave  # type: ignore[assignment]


class Untraceable(Exception):
    with_traceback = leave  # type: ignore[assignment]


class Uninspectable(Exception):
    __class__ = property(leave)  # type: ignore[assignment]


def odd_error(**attributes: Any) -> HTTPError:
    error = HTTPError(404)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def endless() -> Any:
    return endless()


def recursion() -> BaseException:
    endless()
    return RuntimeError()


RAISED: dict[str, Callable[[], BaseException]] = {
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
    "base": BaseException,
    "stop": StopIteration,
    "memory": MemoryError,
    "recursion": recursion,
    "group": lambda: ExceptionGroup("x", [OSError()]),
    "os": OSError,
    "blocking": BlockingIOError,
    "reset": ConnectionResetError,
    "unspeakable": Unspeakable,
    "untraceable": Untraceable,
    "uninspectable": Uninspectable,
    "no init": NoInit,
    "status text": lambda: odd_error(status="x"),
    "status 99": lambda: odd_error(status=99),
    "status huge": lambda: odd_error(status=10**9),
    "message": lambda: odd_error(message=Attributes()),
    "message int": lambda: odd_error(message=5),
    "headers": lambda: odd_error(headers=5),
    "phrase": lambda: odd_error(status_message="a\r\nb"),
    "message raises": lambda: odd_error(message=pieces(RuntimeError())),
}

# -- headers ----------------------------------------------------------------------------------------------------------


class OddHeaders(HTTPHeaders):
    frozen = __iter__ = boom  # type: ignore[assignment]


def fields(*given: tuple[Any, Any, Any]) -> HTTPHeaders:
    headers = HTTPHeaders()
    headers._fields.extend(given)
    return headers


HEADERS: dict[str, Callable[[], Any]] = {
    "int": lambda: 5,
    "none": lambda: None,
    "dict": lambda: {"a": "b"},
    "attributes": Attributes,
    "odd": OddHeaders,
    "lines": lambda: fields(("x", "X", "a\r\nb: c")),
    "name": lambda: fields(("x y", "X Y", "a")),
    "empty": lambda: fields(("", "", "")),
    "wide": lambda: fields(("x", "X", "\u2028")),
    "surrogate": lambda: fields(("x", "X", "\ud800")),
    "bytes": lambda: fields((b"x", b"X", b"y")),
    "list": lambda: fields(([], "X", "y")),
    "oddstr": lambda: fields(("x", "X", OddStr("y"))),
    "short": lambda: HTTPHeaders({"Content-Length": "2"}),
    "long": lambda: HTTPHeaders({"Content-Length": "9" * 30}),
    "length": lambda: HTTPHeaders({"Content-Length": "x"}),
    "minus": lambda: HTTPHeaders({"Content-Length": "-1"}),
    "coding": lambda: HTTPHeaders({"Transfer-Encoding": "gzip"}),
    "close": lambda: HTTPHeaders({"Connection": "close"}),
    "two": lambda: HTTPHeaders([("Content-Length", "1"), ("Content-Length", "2")]),
    "pair": lambda: fields(("x", "y")),  # type: ignore[arg-type]
}


# -- handlers ---------------------------------------------------------------------------------------------------------


class Wrong(HTTPHandler):
    """Answers with what the path's end names."""

    pace = "quick"

    def do_get(self) -> Any:
        pause(self.pace)
        kind, name = self.groups[0], self.groups[1].replace("%20", " ")
        if kind == "status":
            return STATUSES[name], b"x"
        if kind == "reason":
            return 200, REASONS[name], b"x"
        if kind == "body":
            return 200, BODIES[name]()
        if kind == "sized":
            self.response.headers.set("Content-Length", "3")
            return 200, BODIES[name]()
        if kind == "result":
            return RESULTS[name]()
        if kind == "raised":
            raise RAISED[name]()
        if kind == "errors":
            self.request._error_headers = HEADERS[name]()
            raise RuntimeError
        assert kind == "headers"
        self.response.headers = HEADERS[name]()
        return 200, b"x"

    def do_post(self) -> Any:
        self.request.rfile.read()
        return self.do_get()


class Well(HTTPHandler):
    pace = "quick"

    def do_get(self) -> Any:
        pause(self.pace)
        return 200, b"x"

    do_post = do_get


class Other:
    def do_get(self) -> Any:
        return 200, b"x"

    respond = do_post = do_get


def made(name: str, **members: Any) -> tuple[str, dict[str, Any]]:
    return name, members


CLASSES: dict[str, dict[str, Any]] = dict(
    [
        made("noinit", __init__=lambda self, request, groups: None),
        made("init", __init__=boom),
        made("initleaves", __init__=leave),
        made("initexists", __init__=lambda self: None),
        made("new", __new__=lambda cls, *_: Other()),
        made("newnone", __new__=lambda cls, *_: None),
        made("newleaves", __new__=leave),
        made("response", _response=property(boom)),
        made("responseint", _response=5),
        made("responseodd", _response=Attributes()),
        made("del", __del__=boom),
        made("delleaves", __del__=leave),
        made("getattribute", __getattribute__=leave),
        made("encode", encode=boom),
        made("encodeint", encode=lambda self, body: 5),
        made("encodeleaves", encode=leave),
        made("encodegenerator", encode=lambda self, body: pieces(SystemExit())),
        made("decode", decode=leave),
        made("getbody", get_body=leave),
        made("respond", respond=leave),
        made("respondnone", respond=lambda self: None),
        made("check", check_continue=leave),
        made("checkodd", check_continue=lambda self: Attributes()),
        made("getint", do_get=5),
        made("getnone", do_get=None),
        made("getproperty", do_get=property(leave)),
        made("getarguments", do_get=lambda: (200, b"x")),
        made("notallowed", not_allowed=leave, do_get=None),
        made("methods", methods=classmethod(leave_later), do_get=None),
        made("atomic", atomic=True, do_get=leave),
        made("stream", stream=True),
        made("streamleaves", stream=True, do_post=leave),
        made("streamodd", stream=True, do_post=lambda self: (200, self.request.rfile)),
        made("streamnoinit", stream=True, __init__=lambda self, request, groups: None),
        # asked by the worker itself, once for a class and method
        made("methodfor", method_for=classmethod(boom)),
        made("methodforleaves", method_for=classmethod(leave)),
    ]
)
BOUNDARY = {"methodfor", "methodforleaves"}  # no handler's fault, so the connection is reset

NAMES = {
    "status": STATUSES,
    "reason": REASONS,
    "body": BODIES,
    "sized": BODIES,
    "result": RESULTS,
    "raised": RAISED,
    "errors": HEADERS,
    "headers": HEADERS,
    "class": CLASSES,
}


class Pid(HTTPHandler):
    def do_get(self) -> Any:
        return 200, str(os.getpid())


class Blinds(HTTPHandler):
    """Closes the worker's poller, as a `closerange` of an application's might."""

    def do_get(self) -> Any:
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[eventpoll]":
                    os.close(int(name))
        return 200, "x"


class BadErrors(webpy.HTTPErrorHandler):
    def respond(self) -> Any:
        leave()


class OddErrors(webpy.HTTPErrorHandler):
    def __init__(self, *_arguments: Any) -> None:
        pass

    def respond(self) -> Any:
        return Attributes()


class Raises(HTTPHandler):
    def do_get(self) -> Any:
        raise HTTPError(int(self.groups[0]))


PACES = ("quick", "waiting", "computing")
routes: dict[str, Any] = {"/pid": Pid, "/blinds": Blinds, "/error/([0-9]+)": Raises}
error_routes: dict[Any, Any] = {418: BadErrors, 409: OddErrors}
for pace in PACES:
    routes[f"/{pace}/class/well"] = type("Well", (Well,), {"pace": pace})
    for name, members in CLASSES.items():
        routes[f"/{pace}/class/{name}"] = type(name, (Well,), {"pace": pace, **members})
    routes[f"/{pace}/([a-z]+)/(.*)"] = type("Wrong", (Wrong,), {"pace": pace})

"""Bodies in JSON (RFC 8259), both ways: `JSONHandler`, and errors in JSON: `JSONErrorHandler`, `new_error()`.

    import webpy as web
    from webpy import json

    class Note(json.JSONHandler):
        json_kind = dict                        # other bodies, such as a list, are answered with 400

        def do_put(self):
            note = self.request.body            # what the JSON stands for: dict, list, str, int, float, bool, None
            title = note['title']               # 400 if it is missing
            size = note.field('size', int)      # 400 if it is no whole number
            tags = note.field('tags', list, []) # or what to take if it is missing
            return 200, {'stored': note}        # sent as application/json

    routes = {'/note': Note}
    error_routes = json.new_error()             # {"error": 404, "status": "Not Found"}

`JSONHandler` is a mix-in too: `class Note(AuthHandler, JSONHandler)`. `JSONMixIn` and `JSONErrorMixIn` are other names.

Options, attributes of the handler:

- `json_types`: a regex on the media type of bodies: application/json and what ends in +json. Another one, or none, is
  answered with 415 and `Accept`. (Forms of foreign sites cannot send such a body: keep it so.)
- `json_required`: methods that answer 400 when there is no body (POST, PUT, PATCH); in others `request.body` is None.
- `json_kind`: the type, or a tuple of types, that `request.body` has to be: dict, list, str, ...; for any other body
  the answer is 400. Not set, it may be any of them: then `body['title']` of a list is the handler's own TypeError, 500.
- `json_max_depth = 100`: arrays and objects within each other; more are answered with 400.
- `json_default(value)`: override it to give what is sent for a value that JSON has no notion of.

Decided where RFC 8259 leaves it open, all answered with 400, naming line and column where one is to blame: NaN,
Infinity and numbers beyond a float's range, such as 1e999 (section 6; what Python made of them could not be sent
again); integers of more than Python's 4300 digits; a name that stands twice in an object (section 4: receivers
disagree on which counts); half of a surrogate pair (section 8.2); bytes that are no UTF-8 (section 8.1; a byte order
mark is ignored). Columns count characters. A body with a Content-Encoding is answered with 415.

Objects, nested ones too, are dicts of the class `Object`: of a name that is missing, `note['title']` raises a KeyError
that is answered with 400 and says the name (`in`, `get` and `except KeyError` work as always), and `field` looks at the
type as well.

Sent is UTF-8; a value that JSON cannot hold (NaN also) is a 500, and the error log says why. `None` is no body; bytes,
binary streams and iterators of bytes leave as they are, with the handler's Content-Type. One that the handler has set
stays. A handler with `stream = True` reads its body by itself.

What the server refuses before it has a handler to ask, such as a body over `--max-body`, is answered in plain text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .framework.answer import NO_SNIFFING
from .framework.errors import HTTPError, HTTPErrorHandler
from .framework.fields import ABSENT, MissingField, wrong_type
from .framework.handler import HTTPHandler

if TYPE_CHECKING:
    from .framework.response import Body, Result

__all__ = ["JSONErrorHandler", "JSONErrorMixIn", "JSONHandler", "JSONMixIn", "Object", "dumps", "loads", "new_error"]

T = TypeVar("T")
D = TypeVar("D")

_TYPE = "application/json"
_MAX_DEPTH = 100
# A string that is not closed is taken to the end of the text: no quote of it is then tried as a beginning.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_STRINGS = re.compile(_STRING, re.DOTALL)
_BRACKETS = re.compile(rf"{_STRING}|([\[{{])|([\]}}])", re.DOTALL)
_LITERALS = re.compile(rf"{_STRING}|([-+.\w]+)", re.DOTALL)
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_STEPS = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")  # of depth: 1 and -1, as signed bytes
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _BadLiteral(ValueError):
    """A number or word that is not taken, as it stands in the text."""


class _Duplicate(ValueError):
    """A name that stands twice in an object."""


class Object(dict[str, Any]):
    """An object of JSON: a dict that answers 400 for a name that the handler wants and the client did not send."""

    __slots__ = ()

    def __missing__(self, name: object) -> Any:
        raise MissingField("JSON", name)

    def pop(self, name: str, default: Any = ABSENT) -> Any:
        """As of dict; without a default a missing name raises as `self[name]` does."""
        return super().pop(name, default) if default is not ABSENT or name in self else self.__missing__(name)

    @overload
    def field(self, name: str, kind: type[T]) -> T: ...
    @overload
    def field(self, name: str, kind: type[T], default: D) -> T | D: ...
    def field(self, name: str, kind: type[Any], default: Any = ABSENT) -> Any:
        """The value of `name`, which has to be a `kind`: dict, list, str, int, float (also of a whole number), bool.

        Raises HTTPError 400 that says the name where it is another, and where it is missing and no `default` is given.
        """
        if default is not ABSENT and name not in self:
            return default
        value = self[name]
        if not _is(value, kind):
            raise wrong_type("JSON", name, value, _words(kind))
        if kind is float:
            try:
                return float(value)
            except OverflowError:  # of an integer
                raise wrong_type("JSON", name, "a number beyond a float's range", _words(kind)) from None
        return value


def loads(body: bytes, max_depth: int = _MAX_DEPTH) -> Any:
    """What the JSON text `body` stands for; raises HTTPError 400 that says where and why it is none (see above)."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()  # of the object: a byte order mark is gone from it
        raise _bad(before, len(before), f"byte 0x{error.object[error.start]:02x} is not UTF-8") from None
    _check_depth(text, max_depth)
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_float, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise HTTPError(400, f"JSON: line {error.lineno} column {error.colno}: {error.msg}\n") from None
    except _BadLiteral as error:
        raise _bad(text, _place(text, str(error)), f"{_brief(str(error))} is not a number of JSON") from None
    except _Duplicate as error:
        raise HTTPError(400, f"JSON: the name {_brief(str(error))} stands twice in an object\n") from None
    except ValueError:  # of int, for its limit (sys.set_int_max_str_digits)
        raise _bad(text, _place(text, None), "an integer has too many digits") from None
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise HTTPError(400, "JSON: a string holds half of a surrogate pair\n") from None
    return value


def dumps(value: Any, default: Any = None) -> bytes:
    """The JSON text of `value` in UTF-8; `default(value)` gives what stands for a value that JSON has no notion of.

    Raises TypeError or ValueError for what cannot be sent: NaN, circles, other types.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=default).encode()


class JSONHandler(HTTPHandler):
    """A handler, and a mix-in for others, whose bodies are JSON: `request.body` and what methods return."""

    json_types = r"application/(json|[^/;\s]+\+json)"
    json_required = frozenset({"POST", "PUT", "PATCH"})
    json_kind: type | tuple[type, ...] = object
    json_max_depth = _MAX_DEPTH

    def json_default(self, value: Any) -> Any:
        """What is sent for a value that JSON has no notion of; raises TypeError for none."""
        raise TypeError(f"JSON has no {type(value).__name__}")

    def check_continue(self) -> bool | None:
        goes_on = super().check_continue()  # first, as it may ask for a login
        if goes_on is not False:
            self._check_type()  # raises, so that no body is sent in vain
        return goes_on

    def decode(self, body: bytes) -> Any:
        self._check_type()
        value = loads(body, self.json_max_depth)
        kinds = self.json_kind if isinstance(self.json_kind, tuple) else (self.json_kind,)
        if not any(_is(value, kind) for kind in kinds):
            wanted = " or ".join(_words(kind) for kind in kinds)
            raise HTTPError(400, f"JSON: got {_words(type(value))}, wanted {wanted}\n")
        return value

    def encode(self, body: Any) -> Body:
        if body is None or isinstance(body, (bytes, bytearray, memoryview, Iterator)) or hasattr(body, "read"):
            return super().encode(body)
        text = dumps(body, self.json_default)
        if "Content-Type" not in self.response.headers:
            self.response.headers.set("Content-Type", _TYPE)
            self.response.headers.set(*NO_SNIFFING)
        return super().encode(text)

    def respond(self) -> Result:
        cls, head = type(self), self.request.head
        if not cls.stream and not (head.chunked or head.content_length) and cls.method_for(head.method) is not None:
            if head.method in self.json_required:
                raise HTTPError(400, "JSON: line 1 column 1: the body is empty\n")
            self.request.body = None
        return super().respond()

    def _check_type(self) -> None:
        """Raises 415 for a body that does not say it is JSON (RFC 9110 section 15.5.16)."""
        headers = self.request.headers
        coding = headers.get("Content-Encoding") or "identity"
        if coding.strip().lower() != "identity":
            what = f"got Content-Encoding {_brief(coding)}, wanted none\n"
            raise HTTPError(415, what, {"Accept-Encoding": "identity"})
        stated = headers.get("Content-Type")
        media_type, _, parameters = (stated or "").partition(";")
        good = re.fullmatch(self.json_types, media_type.strip(), re.IGNORECASE)
        charset = re.search(r';\s*charset="?([^";\s]*)', ";" + parameters, re.IGNORECASE)
        if not good or (charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii")):
            got = "no Content-Type" if stated is None else f"Content-Type {_brief(stated)}"
            raise HTTPError(415, f"got {got}, wanted {_TYPE} in UTF-8\n", {"Accept": _TYPE})


class JSONErrorHandler(HTTPErrorHandler):
    """Errors as JSON: {"error": status, "status": reason phrase}, and "message" if the error has a text.

    A message that is a dict or a list is the body itself. The Content-Type is application/json, or what the error's
    headers say if that ends in +json, such as application/problem+json (RFC 9457).
    """

    def format(self) -> Body:
        stated = (self.response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if not stated.endswith("+json"):  # what was right for the message is not for this
            self.response.headers.set("Content-Type", _TYPE)
            self.response.headers.set(*NO_SNIFFING)
        message: Any = self.error.message
        if isinstance(message, (Mapping, list)):
            return dumps(dict(message) if isinstance(message, Mapping) else message)
        body: dict[str, Any] = {"error": self.error.status, "status": self.error.status_message}
        if isinstance(message, (bytes, bytearray, memoryview)):
            message = bytes(message).decode("utf-8", "replace")
        if isinstance(message, str):
            body["message"] = message.removesuffix("\n")
        elif hasattr(message, "close"):  # a stream or a generator has no place here
            message.close()
        return dumps(body)


JSONMixIn = JSONHandler
JSONErrorMixIn = JSONErrorHandler


def new_error(
    error: str = "[45][0-9]{2}", *, handler: type[HTTPErrorHandler] = JSONErrorHandler
) -> dict[str, type[HTTPErrorHandler]]:
    """Error routes with bodies in JSON, for the statuses that the regex `error` matches: all errors by default."""
    return {error: handler}


def _refuse(literal: str) -> Any:
    raise _BadLiteral(literal)


def _float(literal: str) -> float:
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        raise _BadLiteral(literal)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = Object(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Duplicate(json.dumps(name))
            seen.add(name)
    return value


def _is(value: object, kind: type) -> bool:
    """As isinstance, but that true and false are no numbers in JSON, and that every whole number is a float."""
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, (int, float) if kind is float else kind)


def _words(kind: type) -> str:
    return _KINDS.get(dict if kind is Object else kind, kind.__name__)


def _check_depth(text: str, most: int) -> None:
    """Raises 400 where arrays and objects go deeper; before parsing, which recurses."""
    if text.count("[") + text.count("{") <= most:
        return
    steps = _STRINGS.sub("", text).encode().translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) <= most:  # a third of the time of a loop
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += bool(match[1]) - bool(match[2])
        if depth > most:
            raise _bad(text, match.start(), f"arrays and objects go deeper than {most}")


def _place(text: str, literal: str | None) -> int:
    """Where the first literal outside of strings begins so, or (None) has more digits than an int may."""
    for match in _LITERALS.finditer(text):
        if match[1] is None:
            continue
        if literal is None:
            if len(match[1].lstrip("-")) > sys.get_int_max_str_digits() and match[1].lstrip("-").isdigit():
                return match.start()
        elif match[1].startswith(literal):
            return match.start()
    return 0


def _bad(text: str, place: int, what: str) -> HTTPError:
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    return HTTPError(400, f"JSON: line {line} column {column}: {what}\n")


def _brief(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."

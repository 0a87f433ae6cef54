"""A field that is missing or of the wrong type: 400 that names it, wherever it was looked for."""

from __future__ import annotations

import datetime
import json as standard
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server import Server
from webpy import HTTPError, cookies, json, query
from webpy.form import Form

Serve = Callable[..., Server]

APP = """
import webpy as web
import webpy.cookies, webpy.form, webpy.json, webpy.query, webpy.session

class Form(webpy.form.FormHandler):
    def do_post(self):
        return 200, self.request.body['title'] + '\\n'

    def do_put(self):
        return 200, self.request.body.file('photo')['filename']

class Query(webpy.query.QueryHandler):
    def do_get(self):
        return 200, repr((self.query['q'], self.query.field('n', int)))

class Note(webpy.json.JSONHandler):
    json_kind = dict

    def do_post(self):
        note = self.request.body
        return 200, [note['user']['name'], note.field('n', int)]

class Cookie(webpy.cookies.CookieMixIn):
    def do_get(self):
        return 200, self.cookies['theme']

class Head(web.HTTPHandler):
    def do_get(self):
        return 200, self.request.headers['X-Token']

class Bug(webpy.form.FormHandler):
    def do_post(self):
        return 200, {}['title']

class Caught(webpy.form.FormHandler):
    def do_post(self):
        try:
            return 200, self.request.body['title']
        except KeyError:
            return 200, 'caught'

routes = {'/form': Form, **webpy.query.new('/query', Query), '/json': Note, '/cookie': Cookie, '/bug': Bug,
          '/caught': Caught, '/head': Head}
"""


def text_of(error: pytest.ExceptionInfo[HTTPError]) -> str:
    assert error.value.status == 400
    return str(error.value.message)


def form_of(**values: str) -> Form:
    form = Form()
    for name, value in values.items():
        form.add(name, value)
    return form


MAPPINGS: list[Callable[..., Any]] = [
    form_of,
    lambda **values: query.Query(values.items()),
    lambda **values: json.loads(standard.dumps(values).encode()),
    lambda **values: cookies.parse("; ".join(f"{name}={value}" for name, value in values.items())),
]


@pytest.mark.parametrize("make", MAPPINGS)
def test_a_missing_field_is_400_and_a_key_error(make: Callable[..., Any]) -> None:
    mapping = make(a="1")
    assert mapping["a"] == "1" and mapping.get("b") is None and mapping.get("b", "2") == "2"
    assert "b" not in mapping and list(mapping) == ["a"]
    with pytest.raises(HTTPError) as caught:
        mapping["b"]
    assert "'b'" in text_of(caught) and "missing" in text_of(caught)
    assert isinstance(caught.value, KeyError)
    assert "'b'" in str(caught.value)
    assert "b" not in mapping, "asking for it does not make it"


@pytest.mark.parametrize("make", [MAPPINGS[0], MAPPINGS[2]])
def test_pop(make: Callable[..., Any]) -> None:
    mapping = make(a="1")
    assert mapping.pop("b", None) is None
    assert mapping.pop("a") == "1"
    with pytest.raises(HTTPError) as caught:
        mapping.pop("a")
    assert "'a'" in text_of(caught)


@pytest.mark.parametrize("make", MAPPINGS[:2])
def test_text_is_read_as_asked(make: Callable[..., Any]) -> None:
    day, name = datetime.date(2026, 11, 21), uuid.uuid4()
    mapping = make(n="-12", x="1.5", yes="on", no="false", day=str(day), id=str(name), text="a")
    assert mapping.field("n", int) == -12
    assert mapping.field("x", float) == 1.5
    assert mapping.field("yes", bool) is True and mapping.field("no", bool) is False
    assert mapping.field("day", datetime.date.fromisoformat) == day
    assert mapping.field("id", uuid.UUID) == name
    assert mapping.field("text") == "a"
    assert mapping.field("other", int, None) is None and mapping.field("n", int, 5) == -12


@pytest.mark.parametrize("make", MAPPINGS[:2])
@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        (int, "abc", "a whole number"),
        (int, "", "a whole number"),
        (int, "1_0", "a whole number"),
        (int, "\N{ARABIC-INDIC DIGIT ONE}", "a whole number"),
        (int, "9" * 5000, "a whole number"),
        (float, "nan", "a number"),
        (float, "1e999", "a number"),
        (bool, "maybe", "true or false"),
        (uuid.UUID, "1", "UUID"),
    ],
)
def test_text_that_cannot_be_read(make: Callable[..., Any], kind: Any, text: str, wanted: str) -> None:
    mapping = make(n=text)
    for more in ((), (5,)):
        with pytest.raises(HTTPError) as caught:
            mapping.field("n", kind, *more)
        assert "'n'" in text_of(caught) and wanted in text_of(caught) and len(text_of(caught)) < 200


JSON_KINDS = [dict, list, str, int, float, bool]


@pytest.mark.parametrize("value", [{}, [], "", 1, 1.5, True, None])
@pytest.mark.parametrize("kind", JSON_KINDS)
def test_types_of_json(value: Any, kind: type) -> None:
    found = json.loads(standard.dumps({"a": value}).encode())
    fits = (type(value) is kind) or (kind is float and type(value) is int)
    if fits:
        assert found.field("a", kind) == value and type(found.field("a", kind)) in (kind, json.Object)
    else:
        with pytest.raises(HTTPError) as caught:
            found.field("a", kind)
        assert "'a'" in text_of(caught)


def test_an_integer_too_large_for_a_float() -> None:
    with pytest.raises(HTTPError) as caught:
        json.loads(b'{"a": 1' + b"0" * 400 + b"}").field("a", float)
    assert "'a'" in text_of(caught)


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_objects_are_dicts(value: Any) -> None:
    found = json.loads(json.dumps(value))
    assert found == value and json.dumps(found) == json.dumps(value)


MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def test_on_the_wire(serve: Serve, tmp_path: Any) -> None:
    (tmp_path / "app.py").write_text(APP)
    server = serve("app.py", "--workers", "1")
    photo = b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\nno file\r\n--x--\r\n'
    for method, path, body, headers, named in [
        ("POST", "/form", b"other=1", URLENCODED, "'title'"),
        ("POST", "/form", b"", URLENCODED, "'title'"),
        ("PUT", "/form", photo, MULTIPART, "'photo'"),
        ("PUT", "/form", b"a=1", URLENCODED, "'photo'"),
        ("GET", "/query", None, {}, "'q'"),
        ("GET", "/query?q=a", None, {}, "'n'"),
        ("GET", "/query?q=a&n=x", None, {}, "'n'"),
        ("POST", "/json", b"{}", JSON, "'user'"),
        ("POST", "/json", b'{"user": {}}', JSON, "'name'"),
        ("POST", "/json", b'{"user": {"name": "a"}, "n": "1"}', JSON, "'n'"),
        ("POST", "/json", b"[]", JSON, "an array"),
        ("POST", "/json", b"null", JSON, "null"),
        ("GET", "/head", None, {}, "'X-Token'"),
        ("GET", "/cookie", None, {"Cookie": "a=b"}, "'theme'"),
    ]:
        answer = server.request(method, path, body, headers)
        assert answer.status == 400, (method, path, body)
        assert named in answer.body.decode(), (method, path, body)
    assert server.request("POST", "/form", b"title=a", URLENCODED).status == 200
    assert server.get("/query?q=a&n=3").body == b"('a', 3)"
    assert server.request("POST", "/json", b'{"user": {"name": "a"}, "n": 1}', JSON).body == b'["a", 1]'
    assert server.request("POST", "/caught", b"", URLENCODED).body == b"caught"
    assert not any("Traceback" in line for line in server.errors)
    assert server.request("POST", "/bug", b"", URLENCODED).status == 500, "the handler's own dict is its own business"

"""Types, limits, and files that are closed however the request ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import types
from typing import Any

import pytest

from tests.form.forms import (
    MULTIPART,
    URLENCODED,
    Show,
    Trickle,
    field,
    limited,
    multipart,
    parts,
    post,
    refused,
    upload,
)
from tests.heads import request_of
from tests.server import ROOT
from webpy import HTTPError, HTTPHandler
from webpy.form import FormHandler, FormLimits, FormMixIn
from webpy.form.reading import FormReader
from webpy.framework.routing.routes import compile_routes

pytest.importorskip("multipart", reason="pip install 'webpy[form]'")


class TestOtherTypes:
    @pytest.mark.parametrize("content_type", [None, "application/json", "multipart/mixed; boundary=x", "text/plain"])
    def test_415_with_what_is_wanted(self, content_type: str | None) -> None:
        with pytest.raises(HTTPError) as caught:
            post(content_type, b"{}")
        assert caught.value.status == 415
        assert caught.value.headers is not None
        assert caught.value.headers["Accept"] == f"{URLENCODED}, multipart/form-data"

    def test_coded_bodies(self) -> None:
        assert refused(lambda: post(URLENCODED, b"a=1", Show, "Content-Encoding: gzip"))[0] == 415
        assert post(URLENCODED, b"a=1", Show, "Content-Encoding: identity")[1] == {"a": "1"}

    def test_the_client_is_told_before_its_body(self) -> None:
        class Small(Show):
            form_limits = FormLimits(total_bytes=10)

        def asked(content_type: str, length: int) -> bool | None:
            fields = (f"Content-Type: {content_type}", f"Content-Length: {length}", "Expect: 100-continue")
            _, groups = compile_routes({"/": Small}).resolve("/")
            return Small(request_of("POST", "/", *fields), groups).check_continue()

        assert asked(URLENCODED, 10) is True
        assert refused(lambda: asked(URLENCODED, 11))[0] == 413
        assert refused(lambda: asked("text/plain", 1))[0] == 415
        assert refused(lambda: asked("multipart/form-data", 1))[0] == 400

    def test_let_through_when_asked(self) -> None:
        class Upper(HTTPHandler):
            def decode(self, body: bytes) -> Any:
                return body.upper()

        class Both(FormMixIn, Upper):
            form_only = False

            def do_post(self) -> Any:
                return 200, self.request.body

        assert post("text/plain", b"abc", Both) == (200, b"ABC")
        assert post(URLENCODED, b"a=b", Both) == (200, {"a": "b"})

    def test_a_method_that_is_not_there_is_a_405(self) -> None:
        class Get(FormHandler):
            stream = True

            def do_get(self) -> Any:
                return 200, ""

        assert Get.methods() == ["GET", "HEAD", "OPTIONS"]
        with pytest.raises(HTTPError) as caught:
            post("text/plain", b"abc", Get)
        assert caught.value.status == 405


class TestLimits:
    """Each limit is inclusive."""

    def test_parts(self) -> None:
        two = (field("a", b"1"), upload("f", "x", b""))
        assert len(multipart(*two, cls=limited(parts=2))[1]) == 2
        assert refused(lambda: multipart(*two, field("b", b""), cls=limited(parts=2)))[0] == 413
        assert len(post(URLENCODED, b"a=1&b=2", limited(parts=2))[1]) == 2
        assert refused(lambda: post(URLENCODED, b"a=1&b=2&c=3", limited(parts=2)))[0] == 413

    def test_a_field(self) -> None:
        assert multipart(field("a", b"12"), cls=limited(field_bytes=2))[1] == {"a": "12"}
        assert refused(lambda: multipart(field("a", b"123"), cls=limited(field_bytes=2)))[0] == 413
        assert post(URLENCODED, b"a=%31%32", limited(field_bytes=2))[1] == {"a": "12"}
        assert refused(lambda: post(URLENCODED, b"a=123", limited(field_bytes=2)))[0] == 413
        assert multipart(upload("f", "x", b"123"), cls=limited(field_bytes=2))[1]["f"]["length"] == 3

    def test_all_fields(self) -> None:
        two = (field("ab", b"12"), field("cd", b"34"))
        assert len(multipart(*two, cls=limited(fields_bytes=8))[1]) == 2
        assert refused(lambda: multipart(*two, cls=limited(fields_bytes=7)))[0] == 413
        assert post(URLENCODED, b"a=12", limited(fields_bytes=4))[1] == {"a": "12"}
        assert refused(lambda: post(URLENCODED, b"a=12", limited(fields_bytes=3)))[0] == 413

    def test_a_file(self) -> None:
        content = os.urandom(200_000)
        assert multipart(upload("f", "x", content), cls=limited(file_bytes=200_000))[1]["f"]["length"] == 200_000
        assert refused(lambda: multipart(upload("f", "x", content), cls=limited(file_bytes=199_999)))[0] == 413

    def test_the_whole(self) -> None:
        body = parts(field("a", b"1"))
        assert post(MULTIPART, body, limited(total_bytes=len(body)))[1] == {"a": "1"}
        assert refused(lambda: post(MULTIPART, body, limited(total_bytes=len(body) - 1)))[0] == 413
        stream: Any = Trickle(body)  # its length is not known
        reader = FormReader(MULTIPART, limits=FormLimits(total_bytes=len(body) - 1))
        assert refused(lambda: reader.read(stream))[0] == 413

    def test_headers_of_a_part(self) -> None:
        assert multipart(field("a", b"1", "X: " + "y" * 97), cls=limited(header_bytes=100))[1] == {"a": "1"}
        for more in (["X: " + "y" * 98], ["X: " + "y" * 200_000], [f"X{number}: y" for number in range(16)]):
            status, text = refused(lambda more=more: multipart(field("a", b"1", *more), cls=limited(header_bytes=100)))
            assert status == 400 and "headers of a part" in text


class TestFilesAreClosed:
    """Files of both kinds: one in memory, one on the disk."""

    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        made: list[Any] = []
        real = tempfile.SpooledTemporaryFile

        def spooled(limit: int) -> Any:
            made.append(real(limit))
            return made[-1]

        monkeypatch.setattr(tempfile, "SpooledTemporaryFile", spooled)
        return made

    TWO = (upload("f", "small", b"small"), upload("f", "large", b"large" * 50_000))

    def test_after_an_answer(self, made: list[Any]) -> None:
        class Rolled(FormHandler):
            def do_post(self) -> Any:
                small, large = (file["file"] for file in self.request.body.getlist("f"))
                assert (small._rolled, large._rolled) == (False, True)
                return 200, small.read() + large.read()[:3]

        assert multipart(*self.TWO, cls=Rolled) == (200, b"smalllar")
        assert [file.closed for file in made] == [True, True]

    @pytest.mark.parametrize("error", [HTTPError(404), ZeroDivisionError(), KeyboardInterrupt()])
    def test_after_a_handler_that_raises(self, made: list[Any], error: BaseException) -> None:
        class Raises(FormHandler):
            def do_post(self) -> Any:
                raise error

        with pytest.raises(type(error)):
            multipart(*self.TWO, cls=Raises)
        assert [file.closed for file in made] == [True, True]

    def test_after_a_bad_form(self, made: list[Any]) -> None:
        for last in (field("a", b"\xff"), ("nonsense", b""), field("a", b"1" * 2_000_000)):
            refused(lambda last=last: multipart(*self.TWO, last))
        assert [file.closed for file in made] == [True] * 6

    def test_after_a_body_that_breaks_off(self, made: list[Any]) -> None:
        class Broken(Trickle):
            def read(self, count: int = -1) -> bytes:
                return super().read() or self.fail()

            def fail(self) -> bytes:
                raise ConnectionError

        stream: Any = Broken(parts(*self.TWO)[:150_000], 65536)
        with pytest.raises(ConnectionError):
            FormReader(MULTIPART).read(stream)
        assert [file.closed for file in made] == [True, True]

    def test_with_an_answer_that_is_one_of_them(self, made: list[Any]) -> None:
        class Back(FormHandler):
            def do_post(self) -> Any:
                return 200, self.request.body["f"]["file"]

        _, body = multipart(*self.TWO, cls=Back)
        assert [file.closed for file in made] == [True, False]
        assert body is made[1] and body.read(5) == b"large"
        body.close()

    def test_with_an_answer_that_reads_them(self, made: list[Any]) -> None:
        class Lines(FormHandler):
            def do_post(self) -> Any:
                return 200, (file["file"].read() for file in self.request.body.getlist("f"))

        _, body = multipart(*self.TWO, cls=Lines)
        assert next(iter(body)) == b"small"
        body.close()
        assert [file.closed for file in made] == [True, True]


@pytest.mark.parametrize("installed", [None, types.SimpleNamespace(__file__="multipart.py")])
def test_without_the_parser(monkeypatch: pytest.MonkeyPatch, installed: Any) -> None:
    """The same if another package of that name is installed."""
    monkeypatch.setitem(sys.modules, "multipart", installed)
    assert post(URLENCODED, b"a=1")[1] == {"a": "1"}
    with pytest.raises(ImportError, match=re.escape("pip install 'webpy[form]'")):
        multipart(field("a", b"1"))


def test_that_the_parser_is_missing_is_told_at_once() -> None:
    code = "import sys; sys.modules['multipart'] = None; import webpy.form"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.count("pip install 'webpy[form]'") == 1

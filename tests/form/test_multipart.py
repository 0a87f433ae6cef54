"""multipart/form-data with any boundary, charset and pieces."""

from __future__ import annotations

import resource
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.form.forms import MULTIPART, Trickle, field, limited, multipart, parts, post, refused, upload
from webpy import HTTPError
from webpy.form import FormHandler
from webpy.form.grammar import known_charset
from webpy.form.reading import FormReader

pytest.importorskip("multipart", reason="pip install 'webpy[form]'")


def test_fields_and_files() -> None:
    seen: dict[str, Any] = {}

    class Keep(FormHandler):
        def do_post(self) -> Any:
            form = self.request.body
            seen.update({name: form.getlist(name) for name in form})
            seen["content"] = form["f"]["file"].read()
            return 204, None

    multipart(
        field("a", b"1"),
        upload("f", "one.txt", b"\r\n--x\r\nbinary \xff\0", "Content-Type: Text/Plain; charset=latin1"),
        field("a", "zwei ü\r\n".encode()),
        upload("g", "", b"", "content-type: application/octet-stream"),
        upload("h", "h", b"..."),
        cls=Keep,
    )
    assert seen["a"] == ["1", "zwei ü\r\n"]
    (one,), (empty,), (plain,) = seen["f"], seen["g"], seen["h"]
    assert one == {"filename": "one.txt", "type": "text/plain", "charset": "latin1", "length": 16, "file": one["file"]}
    assert seen["content"] == b"\r\n--x\r\nbinary \xff\0"
    assert (empty["filename"], empty["length"], empty["type"]) == ("", 0, "application/octet-stream")
    assert (plain["type"], plain["charset"]) == ("text/plain", "utf-8")


UNQUOTED = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')


@given(
    st.text(UNQUOTED, min_size=1, max_size=70).filter(lambda boundary: boundary[-1] != " "),
    st.lists(st.binary(max_size=300), max_size=4),
    st.integers(1, 100),
)
def test_any_boundary_in_any_pieces(boundary: str, contents: list[bytes], most: int) -> None:
    contents = [content for content in contents if boundary.encode() not in content]
    contents.append(f"\r\n--{boundary[:-1]}\r\n-".encode())  # almost a boundary
    if boundary in contents[-1].decode():
        contents.pop()
    body = parts(*[upload("f", "x", content) for content in contents], boundary=boundary)
    stream: Any = Trickle(body, most)
    form = FormReader(f'multipart/form-data; x="a;b"; BOUNDARY="{boundary}"').read(stream)
    try:
        assert [file["file"].read() for file in form.getlist("f")] == contents
        assert [file["length"] for file in form.getlist("f")] == [len(content) for content in contents]
    finally:
        form.close()


@given(st.data())
def test_a_body_cut_anywhere_is_a_400(data: st.DataObject) -> None:
    whole = parts(field("a", b"1"), upload("f", "x", b"content"))
    body = whole[: data.draw(st.integers(1, len(whole) - 3))]  # the last CRLF may be missing
    assert refused(lambda: post(MULTIPART, body))[0] == 400


@given(st.data())
def test_one_wrong_byte_is_a_form_or_a_refusal(data: st.DataObject) -> None:
    body = bytearray(parts(field("a", b"1"), upload("f", "x", b"content", "Content-Length: 7")))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        post(MULTIPART, bytes(body))
    except HTTPError as error:
        assert error.status == 400


@pytest.mark.parametrize("boundary", ["----=_Part_1_2.3", "a/b:c?d", "AbC", "  x  "])
def test_boundaries_that_should_be_quoted_and_are_not(boundary: str) -> None:
    body = parts(field("a", b"1"), boundary=boundary.strip())
    assert post(f"multipart/form-data;boundary={boundary};charset=utf-8", body)[1] == {"a": "1"}


def test_the_case_of_a_boundary_counts() -> None:
    assert refused(lambda: post("multipart/form-data; boundary=Xx", parts(field("a", b"1"))))[0] == 400


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("", "no boundaries"),
        ("; boundary", "no boundaries"),
        ("; boundary=a; boundary=a", "2 boundaries"),
        ("; boundary=", "got boundary ''"),
        ('; boundary=""', "got boundary ''"),
        ('; boundary="a "', "got boundary 'a '"),
        (f"; boundary={'a' * 71}", "wanted 1 to 70"),
        ("; boundary=\xe9", r"'\xe9'"),
    ],
)
def test_bad_boundaries(parameters: str, said: str) -> None:
    status, text = refused(lambda: post("multipart/form-data" + parameters, parts(field("a", b"1"))))
    assert status == 400 and said in text


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"--xX\r\n\r\n1\r\n--xX--",
        b"--xX\nContent-Disposition: form-data; name=a\n\n1\n--xX--\n",
        parts(("Content-Disposition: form-data", b"")),
        parts(("Content-Disposition: attachment; name=a", b"")),
        parts(("Content-Type: text/plain", b"")),
        parts(("no colon", b"")),
        parts(field("a", b"1", "Content-Length: 2")),
        parts(field("a", b"1", "Content-Type: text/plain; charset=idna")),
        parts(field("a", b"1", "Content-Type: text/plain; charset=nonsense")),
        parts(field("a", b"\xff", "Content-Type: text/plain; charset=utf-8")),
        parts(field("_charset_", b"zlib")),
        parts(("Content-Disposition: form-data; x=\"; name=a\"", b"")),
        parts(("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b", b"")),
    ],
)
def test_bad_bodies(body: bytes) -> None:
    assert refused(lambda: post(MULTIPART, body))[0] == 400


def test_preamble_and_epilogue_say_nothing() -> None:
    body = b"hello\r\n" + parts(field("a", b"1")) + b"bye" * 50_000
    assert post(MULTIPART, body)[1] == {"a": "1"}
    assert post(MULTIPART, b"--xX--")[1] == {}


def test_names_in_any_encoding() -> None:
    name = "é€ 表\\ü"
    for charset in ("utf-8", "shift_jis", "gb18030", "windows-1252"):
        spelled = name.encode(charset, "ignore")
        wanted = spelled.decode(charset)
        body = parts(field("_charset_", charset.encode()), field(spelled.decode("latin-1"), b"1"))
        assert wanted in post(MULTIPART, body)[1]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\\\fakepath\\\\b.png", "b.png"),
        ("..", ""),
        ("a\0\x1b[2Jb\x7f", "a[2Jb"),
        ("%22q%22%0D%0A", '"q"'),
        ("ü".encode().decode("latin-1"), "ü"),
        ("\xfc", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_file_names_are_names(sent: str, name: str) -> None:
    assert multipart(upload("f", sent, b""))[1]["f"]["filename"] == name


@pytest.mark.parametrize(
    ("stated", "type", "charset"),
    [
        ("Content-Type: image/PNG", "image/png", "utf-8"),
        ('Content-Type: text/csv; header=present; charset="Windows-1252"', "text/csv", "Windows-1252"),
        ("Content-Type: text/html\0; charset=\"a\x1b\"", "text/plain", "utf-8"),
        ("Content-Type: nonsense", "text/plain", "utf-8"),
        ("Content-Type:", "text/plain", "utf-8"),
        ("X-Other: a", "text/plain", "utf-8"),
    ],
)
def test_types_are_types(stated: str, type: str, charset: str) -> None:
    file = multipart(upload("f", "x", b"", stated))[1]["f"]
    assert (file["type"], file["charset"]) == (type, charset)


def test_a_name_may_be_empty() -> None:
    assert multipart(field("", b"1"))[1] == {"": "1"}


def test_the_other_file_name_is_not_taken() -> None:
    both = ('Content-Disposition: form-data; name="f"; filename="a"; filename*=utf-8\'\'..%2Fb', b"")
    alone = ("Content-Disposition: form-data; name=\"g\"; filename*=utf-8''..%2Fb", b"\xff")
    form = multipart(both, alone)[1]
    assert (form["f"]["filename"], form["g"]["filename"], form["g"]["length"]) == ("a", "", 1)


@pytest.mark.timeout(5)
def test_quotes_without_an_end_take_no_time() -> None:
    began = time.process_time()
    for text in ("\\" * 4000, '\\"' * 2000, '"' * 4000, ";" * 4000, "; a=" * 1000, '; a="' * 800):
        head = 'Content-Disposition: form-data; name="' + text
        for content_type in (MULTIPART, f'multipart/form-data; x="{text}'):
            with pytest.raises(HTTPError):
                post(content_type, parts((head, b"1"))[:-4])
    assert time.process_time() - began < 2


def test_charsets_are_of_a_fixed_table() -> None:
    import encodings

    before = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(100):
        assert refused(lambda number=number: known_charset(f"cp{number}x"))[0] == 400
    assert len(encodings._cache) == before  # type: ignore[attr-defined]
    for name in ["UTF-8", "utf8", "US-ASCII", "ISO-8859-1", "iso-8859-15", "windows-1251", "Shift_JIS", "KOI8-U"]:
        assert "a".encode(known_charset(name)) == b"a"


@pytest.mark.parametrize("size", [100_000, 1000], ids=["while it is written", "at its end"])
def test_no_room_on_the_disk(size: int, caplog: pytest.LogCaptureFixture) -> None:
    """A limit on the size of files stands for a full disk: it raises EFBIG instead of ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(HTTPError) as caught:
            multipart(upload("f", "f", bytes(size)), cls=limited(memory_bytes=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (caught.value.status, caught.value.message) == (503, "the form cannot be stored at present\n")
    assert "File too large" in caplog.text

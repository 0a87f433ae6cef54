"""HTTPHeaders: names without case, in order, several values to a name."""

from __future__ import annotations

import pytest

from webpy import HTTPHeaders


def test_names_compare_without_case_and_keep_theirs() -> None:
    headers = HTTPHeaders()
    headers.set("X-oDD", "1")
    assert headers.get("x-odd") == headers.get("X-ODD") == headers["x-Odd"] == "1"
    assert "X-odd" in headers
    assert "X-even" not in headers
    assert list(headers) == [("X-oDD", "1")]


def test_iterating_gives_pairs_in_the_order_they_were_added() -> None:
    headers = HTTPHeaders()
    for name, value in (("B", "1"), ("A", "2"), ("b", "3")):
        headers.add(name, value)
    assert list(headers) == list(headers.items()) == [("B", "1"), ("A", "2"), ("b", "3")]
    assert len(headers) == 3
    assert str(headers) == "B: 1\r\nA: 2\r\nb: 3\r\n"


def test_get_is_the_first_value_getlist_all_of_them() -> None:
    headers = HTTPHeaders([("Set-Cookie", "a=1"), ("Vary", "x"), ("set-cookie", "b=2")])
    assert headers.get("Set-Cookie") == "a=1"
    assert headers.getlist("SET-COOKIE") == ["a=1", "b=2"]


def test_what_is_not_there() -> None:
    headers = HTTPHeaders()
    assert headers.get("X") is None
    assert headers.get("X", "none") == "none"
    assert headers.getlist("X") == []
    assert headers.getlist("X", ["d"]) == ["d"]
    for missing in (lambda: headers["X"], lambda: headers.remove("X"), lambda: headers.__delitem__("X")):
        with pytest.raises(KeyError, match="X"):
            missing()


def test_set_replaces_all_in_the_place_of_the_first() -> None:
    headers = HTTPHeaders([("A", "1"), ("B", "2"), ("a", "3"), ("C", "4"), ("A", "5")])
    headers.set("a", "new")
    assert list(headers) == [("a", "new"), ("B", "2"), ("C", "4")]
    headers["B"] = "newer"
    assert list(headers) == [("a", "new"), ("B", "newer"), ("C", "4")]


def test_remove_takes_every_value() -> None:
    headers = HTTPHeaders([("A", "1"), ("B", "2"), ("a", "3")])
    headers.remove("A")
    assert list(headers) == [("B", "2")]
    del headers["b"]
    assert len(headers) == 0


def test_an_empty_value_is_a_value() -> None:
    headers = HTTPHeaders([("X-Empty", "")])
    assert "x-empty" in headers
    assert headers["X-Empty"] == ""


def test_a_copy_changes_apart() -> None:
    headers = HTTPHeaders([("A", "1"), ("B", "2"), ("A", "3")])
    copy = headers.copy()
    assert copy == headers
    copy.set("A", "4")
    assert headers.getlist("A") == ["1", "3"]
    assert copy != headers


def test_it_may_change_while_it_is_gone_through() -> None:
    headers = HTTPHeaders([("A", "1"), ("B", "2")])
    for name, _ in headers:
        headers.remove(name)
    assert len(headers) == 0


def test_it_is_made_of_a_mapping_too() -> None:
    assert list(HTTPHeaders({"A": "1", "b": "2"})) == [("A", "1"), ("b", "2")]


@pytest.mark.parametrize(
    ("name", "value", "bad"), [("X-Count", 5, "int: 5"), (b"X", "5", "bytes: b'X'"), ("X", None, "None")]
)
def test_only_text_is_taken(name: object, value: object, bad: str) -> None:
    headers = HTTPHeaders()
    for take in (headers.add, headers.set):
        with pytest.raises(TypeError, match=f"are str, not .*{bad}"):
            take(name, value)  # type: ignore[arg-type]
    assert len(headers) == 0


def test_adding_what_is_missing() -> None:
    headers = HTTPHeaders([("ETag", '"a"'), ("Vary", "Accept"), ("Vary", "Cookie")])
    more = [("etag", '"b"'), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("vary", "Origin, accept")]
    headers.add_missing(HTTPHeaders(more))
    assert list(headers) == [
        ("ETag", '"a"'),
        ("vary", "Accept, Cookie, Origin"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]


def test_adding_a_member_to_a_list() -> None:
    headers = HTTPHeaders([("Allow", "")])
    for member in ("GET", "get", "PUT"):
        headers.add_member("allow", member)
    assert list(headers) == [("allow", "GET, PUT")]

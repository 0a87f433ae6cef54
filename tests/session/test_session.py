"""The mapping itself, without a store."""

from __future__ import annotations

import re

import pytest

from webpy.session.session import Loaded, Session, is_id, key_of, new_id

ID = "A" * 43


def loaded() -> Session:
    return Session(ID, {"n": 1}, Loaded(key_of(ID), b"record", '{"n":1}', 0.0, 0.0))


def test_ids_are_256_random_bits() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_id(id) for id in ids)
    for place in range(42):  # each character varies (the last holds 4 bits)
        assert len({id[place] for id in ids}) > 50


@pytest.mark.parametrize("text", ["", ID[:-1], ID + "A", ID[:-1] + "=", ID + "\n", ID[:-1] + "\xe4", "../" + ID[3:]])
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_the_key_does_not_tell_the_id() -> None:
    assert re.fullmatch(r"session:[0-9a-f]{64}", key_of(ID))
    assert key_of(ID) != key_of(ID[:-1] + "B")


def test_it_is_a_mapping() -> None:
    session = loaded()
    session["user"] = "ann"
    session.setdefault("tags", []).append("a")
    assert session.pop("n") == 1 and "n" not in session
    assert dict(session) == {"user": "ann", "tags": ["a"]} and len(session) == 2
    with pytest.raises(TypeError, match="names are str, not int: 1"):
        session[1] = "x"  # type: ignore[index]


def test_regenerate_and_invalidate() -> None:
    session = loaded()
    assert not session.new and session.id == ID
    session.regenerate()
    assert session.new and session.id != ID and is_id(session.id) and session["n"] == 1
    session.invalidate()
    assert session.new and not session
    assert Session(ID, {}, None).new


def test_frozen_it_can_be_read_only() -> None:
    session = loaded()
    session.freeze("for a test")
    assert session["n"] == 1
    for change in (
        lambda: session.update(n=2),
        lambda: session.pop("n"),
        session.clear,
        session.regenerate,
        session.invalidate,
    ):
        with pytest.raises(RuntimeError, match="can only be read: for a test"):
            change()
    assert dict(session) == {"n": 1} and session.id == ID


def test_its_repr_tells_nothing() -> None:
    session = loaded()
    session["password"] = "sesame"
    assert repr(session) == "<Session of 2 values>"
    assert "sesame" not in str(session) and ID not in f"{session}"

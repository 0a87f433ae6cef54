"""What is kept between orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from webpy import statedir
from webpy.acme.folder import Folder
from webpy.acme.keys import thumbprint
from webpy.acme.state import State, certificate_name, open_folder
from webpy.settings import resolve


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(Folder(str(tmp_path), "acme"), ["example.org"])


def test_the_file_is_named_by_the_names_in_any_order() -> None:
    assert certificate_name(["b.org", "a.org"]) == certificate_name(["a.org", "b.org"])
    assert certificate_name(["a.org"]) != certificate_name(["a.org", "b.org"])
    assert certificate_name(["b.org", "a.org"]).startswith("a.org-")


def test_the_account_has_one_key_and_its_thumbprint(state: State, tmp_path: Path) -> None:
    key = state.account_key()
    again = State(Folder(str(tmp_path), "acme"), ["other.org"])
    assert again.account_key() == key
    assert again.folder.read("thumbprint") == thumbprint(key).encode()


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN"])
def test_a_damaged_account_is_made_anew(state: State, damage: bytes) -> None:
    key = state.account_key()
    with state.locked():
        state.folder.write("account.pem", damage)
    assert state.account_key() != key
    assert state.folder.read("thumbprint") == thumbprint(state.account_key()).encode()


def test_a_missing_thumbprint_is_made_from_the_key(state: State) -> None:
    key = state.account_key()
    state.folder.remove("thumbprint")
    assert state.account_key() == key
    assert state.folder.read("thumbprint") == thumbprint(key).encode()


@pytest.mark.parametrize("content", [b"", b"soon"])
def test_a_damaged_pause_is_none(state: State, content: bytes) -> None:
    with state.locked():
        state.put_pause(17.25)
        assert state.pause_until_s() == 17.25
        state.folder.write(state.name.removesuffix("pem") + "pause", content)
    assert state.pause_until_s() == 0.0


def test_each_directory_has_a_folder_which_is_never_served() -> None:
    settings = [resolve({"acme_directory": f"https://a.example/{path}"}, {}) for path in ("dir", "staging")]
    with open_folder(settings[0]) as one, open_folder(settings[1]) as other:
        assert one.path != other.path
        assert Path(one.path).name.startswith("a.example-")
        assert statedir.is_private(f"{one.path}/account.pem".encode())

"""What a server begins with, and that a master that is root reads nothing for the workers' user but that user's own."""

from __future__ import annotations

import datetime
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from webpy.acme.beginning import Beginning, find
from webpy.acme.keys import read_certificate, self_signed
from webpy.acme.serving import Acme
from webpy.acme.state import State, certificate_name, open_folder
from webpy.settings import Resolved, resolve
from webpy.supervisor import Config
from webpy.supervisor.system.identity import Identity

USER = "daemon"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def settings(*names: str) -> Resolved:
    return resolve({"acme": names or ["example.org"], "bind": ["http://:80", "https://:443"]}, {})


def state_of(resolved: Resolved) -> State:
    return State(open_folder(resolved), resolved.settings.acme)


def test_from_nothing_it_is_self_signed() -> None:
    found = find(settings("example.org", "www.example.org"), Identity())
    assert read_certificate(found.pem).names == {"example.org", "www.example.org"}
    assert found.stands_in == "a self-signed certificate for example.org, www.example.org"
    assert found.problems == ()
    assert not Path(found.path).exists()
    assert (Path(found.path).parent / "thumbprint").exists()


def test_the_certificate_in_the_files_is_used() -> None:
    state = state_of(settings())
    state.put_certificate(pem := self_signed(["example.org"]))
    found = find(settings(), Identity())
    assert (found.pem, found.stands_in) == (pem, "")


def test_one_for_some_of_the_names_stands_in() -> None:
    pems = {names: self_signed(names) for names in (("a.org",), ("a.org", "b.org"), ("c.org",))}
    for names, pem in pems.items():
        state_of(settings(*names)).put_certificate(pem)
    found = find(settings("a.org", "b.org", "d.org"), Identity())
    assert found.pem == pems["a.org", "b.org"]
    assert found.stands_in == "the certificate of before, for 2 of 3 names,"


def test_one_that_has_expired_does_not() -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=90)
    state_of(settings("a.org")).put_certificate(self_signed(["a.org"], past))
    assert find(settings("a.org", "b.org"), Identity()).stands_in.startswith("a self-signed")


@pytest.mark.parametrize("keep", [0, 300, -100])
def test_a_damaged_one_is_removed(keep: int) -> None:
    state = state_of(settings())
    state.put_certificate(self_signed(["example.org"])[:keep])
    found = find(settings(), Identity())
    assert found.problems == (f"acme: {found.path} is damaged: it is removed",)
    assert found.stands_in.startswith("a self-signed")
    assert state.certificate() is None


def test_without_a_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/dev/null/state")
    found = find(settings(), Identity())
    assert found.path == ""
    assert found.stands_in.startswith("a self-signed")
    (problem,) = found.problems
    assert "/dev/null/state" in problem and "no certificate is ordered as long as that is so" in problem


def test_an_order_under_way_does_not_delay_the_start() -> None:
    """It holds the lock."""
    find(settings(), Identity())
    with state_of(settings()).locked():
        assert find(settings(), Identity()).problems == ()


def test_a_new_file_is_seen_and_one_that_is_no_file_is_not() -> None:
    acme = Acme(settings(), Config())
    before, stand_in = acme.state(), acme.pair().chain
    state = state_of(settings())
    state.put_certificate(pem := self_signed(["example.org"]))
    assert acme.state() != before
    assert acme.pair().chain == acme.pair().key == pem
    path = Path(state.folder.path) / state.name
    path.unlink()
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to(state.folder.path + "/account.pem")):
        make()
        assert acme.pair().chain == stand_in
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory of USER, who can go there, as nobody can to pytest's."""
    base = Path(tempfile.mkdtemp(prefix="webpy-test-"))
    base.chmod(0o755)
    (base / "state").mkdir()
    os.chown(base / "state", pwd.getpwnam(USER).pw_uid, -1)
    monkeypatch.setenv("STATE_DIRECTORY", str(base / "state"))
    yield base / "state"
    shutil.rmtree(base)


@as_root
def test_what_is_made_belongs_to_the_workers_user(users: Path) -> None:
    found: Beginning = find(settings(), Identity.of(Config(user=USER)))
    assert found.problems == ()
    uid = pwd.getpwnam(USER).pw_uid
    made = [users / "acme", *(users / "acme").rglob("*")]
    assert {path.name for path in made} >= {"acme", "account.pem", "thumbprint", "lock"}
    assert {path.stat().st_uid for path in made} == {uid}


@as_root
def test_a_file_of_roots_is_not_read_for_the_user(users: Path) -> None:
    acme = Acme(settings(), Config(user=USER))
    stand_in = acme.pair().chain
    (folder,) = (users / "acme").iterdir()
    path = folder / certificate_name(["example.org"])
    path.write_bytes(b"root's")
    assert acme.pair().chain == stand_in
    os.chown(path, pwd.getpwnam(USER).pw_uid, -1)
    assert acme.pair().chain == b"root's"

"""Files of users, as the real tools write them, and malformed ones."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from tests.auth.clients import sha
from webpy import auth


def hashed(password: bytes, cost: int = 4) -> str:
    """Return a line as `htpasswd -B` writes it."""
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode().replace("$2b$", "$2y$")


def test_htpasswd(tmp_path: Path) -> None:
    path = tmp_path / "users"
    long = "x" * 80
    path.write_text(
        f"# people\n\nann:{sha('sesame')}\nJäsøn:{hashed('pässwörd'.encode())}:and more\n"
        f"long:{hashed(long.encode()[:72])}\nann:{sha('second')}\n"
    )
    users = auth.htpasswd(path)
    assert users.check("ann", "sesame") and not users.check("ann", "Sesame") and not users.check("ann", "second")
    for _ in range(2):
        assert users.check("Jäsøn", "pässwörd") and not users.check("Jäsøn", "passwörd")
        assert not users.check("nobody", "pässwörd") and not users.check("", "")
    assert users.check("long", long) and not users.check("long", "x\0")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(f"ann:{sha('sesame')}\nbob:{hashed(b'builds')}\n")
    users = auth.htpasswd(path)
    assert users.check("ann", "sesame") and users.check("bob", "builds")
    path.write_text(f"ann:{sha('other!')}\nbob:{hashed(b'breaks')}\n")  # changed in place, at once, with the same size
    assert not users.check("ann", "sesame") and users.check("ann", "other!")
    assert not users.check("bob", "builds") and users.check("bob", "breaks"), "what was remembered is forgotten"
    fresh = tmp_path / "fresh"
    fresh.write_text(f"ann:{sha('third')}\n")
    os.utime(fresh, (0, 0))
    fresh.rename(path)
    assert users.check("ann", "third") and users.check("ann", "third")
    path.write_text("broken\n")
    with pytest.raises(ValueError, match="line 1"):
        users.check("ann", "third")
    path.write_text(f"ann:{sha('third')}\n")
    assert users.check("ann", "third")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        users.check("ann", "third")


def test_of_changes_in_quick_succession_none_is_missed(tmp_path: Path) -> None:
    """A file system's clock may tick every 4 ms only: many of these states have the same size and times."""
    path = tmp_path / "users"
    states = [(password, f"ann:{sha(password)}\n") for password in ("sesame", "other!")]
    path.write_text(states[1][1])
    users = auth.htpasswd(path)
    for password, state in states * 50:
        path.write_text(state)
        assert users.check("ann", password)


def took_s(work: Callable[[], object], tries: int = 3) -> float:
    """Return the lowest CPU time of several tries."""
    times = []
    for _ in range(tries):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def test_time_tells_nothing_of_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(f"cheap:{hashed(b'x')}\nann:{hashed(b'sesame', 8)}\nfast:{sha('sesame')}\n")
    users = auth.htpasswd(path)
    wrong = took_s(lambda: users.check("ann", "wrong"))
    assert wrong > 4 * took_s(lambda: users.check("cheap", "wrong"))
    for user in ("nobody", "fast"):
        assert wrong / 2 < took_s(lambda user=user: users.check(user, "wrong")) < wrong * 2, user  # type: ignore[misc]
    assert took_s(lambda: users.check("ann", "sesame")) < wrong / 4, "a right one is remembered"
    os.utime(path, (0, 0))  # touched, but unchanged: what is cached stays valid
    assert took_s(lambda: users.check("ann", "sesame"), 1) < wrong / 4


def test_bad_files_of_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "users"
    for bad in (
        "ann:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00",
        "ann:plain",
        "ann:{SHA}x",
        "ann",
        "ann:",
        "ann:$2y$99$" + "a" * 53,
    ):
        path.write_text(f"# one\n{bad}\n")
        with pytest.raises(ValueError, match=f"{path}: line 2: ") as caught:
            auth.htpasswd(path)
        assert "eIMz" not in str(caught.value) and "plain" not in str(caught.value)
        with pytest.raises(ValueError, match="line 2"):
            auth.htdigest(path)
    with pytest.raises(FileNotFoundError):
        auth.htpasswd(tmp_path / "none")
    path.write_text("ann:$2y$05$" + "a" * 53 + "\n")
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'webpy[auth]'")):
        auth.htpasswd(path)
    path.write_text(f"ann:{sha('sesame')}\n")
    assert auth.htpasswd(path).check("ann", "sesame"), "which needs no bcrypt"


@pytest.mark.needs("htpasswd")
def test_files_that_htpasswd_wrote(tmp_path: Path) -> None:
    path = tmp_path / "users"

    def htpasswd(*arguments: str) -> None:
        subprocess.run(["htpasswd", *arguments], check=True, capture_output=True)

    htpasswd("-bcB", "-C", "4", str(path), "ann", "sesame")
    users = auth.htpasswd(path)
    htpasswd("-bs", str(path), "bob", "pässwörd")
    htpasswd("-bB", "-C", "4", str(path), "Jäsøn", "x" * 72)
    assert users.check("ann", "sesame") and users.check("bob", "pässwörd") and users.check("Jäsøn", "x" * 72)
    assert not users.check("ann", "pässwörd") and not users.check("bob", "sesame")
    htpasswd("-D", str(path), "ann")
    assert not users.check("ann", "sesame")
    htpasswd("-b", str(path), "eve", "apr1")  # the default of htdigest
    with pytest.raises(ValueError, match=r"line 3: unknown hash; wanted bcrypt \(htpasswd -B\)"):
        users.check("bob", "pässwörd")


def test_htdigest(tmp_path: Path) -> None:
    def line(algorithm: str, user: str, realm: str, password: str) -> str:
        text = f"{user}:{realm}:{password}".encode()
        return f"{user}:{realm}:{hashlib.new(algorithm, text).hexdigest()}\n"

    path = tmp_path / "users"
    both = line("sha256", "Jäsøn", "a:b", "x") + line("md5", "Jäsøn", "a:b", "x")
    path.write_text(line("md5", "ann", "a:b", "sesame") + both)
    users = auth.htdigest(path)
    assert users.algorithms("a:b") == {"MD5"} and users.algorithms("c") == set()
    assert users.check("ann", "sesame", "a:b") and users.check("Jäsøn", "x", "a:b")
    assert not users.check("ann", "sesame", "c") and not users.check("ann", "x", "a:b")
    assert not users.check("b", "", "a:b")
    assert users.ha1("ann", "a:b", "SHA-256") is None and users.ha1("Jäsøn", "a:b", "SHA-256")
    path.write_text(both)
    assert users.algorithms("a:b") == {"MD5", "SHA-256"} and not users.check("ann", "sesame", "a:b")


@pytest.mark.needs("htpasswd")  # htdigest comes with it
def test_files_that_htdigest_wrote(tmp_path: Path) -> None:
    path = tmp_path / "users"
    done = subprocess.run(
        ["htdigest", "-c", str(path), "my: notes", "ann"],
        input=b"sesame\nsesame\n",
        capture_output=True,
        start_new_session=True,  # with no terminal it reads its input
    )
    assert done.returncode == 0, done.stderr
    assert auth.htdigest(path).check("ann", "sesame", "my: notes")

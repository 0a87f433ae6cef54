"""Certificate files: what is read, and which changes count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from webpy.settings.schema import Settings
from webpy.tls.files import CertificateFiles


def settings(**given: Any) -> Settings:
    return Settings(**given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.pem", "a.key", "both.pem", "ca.pem", "crl.pem"):
        (tmp_path / name).write_text(name)
    return tmp_path


def files(folder: Path, **given: Any) -> CertificateFiles:
    paths = {"certfile": ("a.pem", "both.pem"), "keyfile": ("a.key", "both.pem"), **given}
    return CertificateFiles(settings(**paths), folder)


def test_what_is_read(folder: Path) -> None:
    material = files(folder, client_ca="ca.pem", client_crl="crl.pem").read()
    assert [(each.chain, each.key) for each in material.pairs] == [(b"a.pem", b"a.key"), (b"both.pem", b"both.pem")]
    assert material.pairs[0].label == "certfile 'a.pem' with keyfile 'a.key'"
    assert (material.client_ca, material.client_crl) == (b"ca.pem", b"crl.pem")
    (pair,) = files(folder, certfile="both.pem", keyfile=None).read().pairs
    assert (pair.label, pair.chain, pair.key) == ("certfile 'both.pem'", b"both.pem", b"both.pem")


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "large.pem").write_bytes(bytes((4 << 20) + 1))
    os.mkfifo(folder / "pipe.pem")  # nobody writes: it is not waited for
    for name, why in (("gone.pem", "No such file"), (".", "Is a directory"), ("large.pem", "more than 4 MB")):
        with pytest.raises(ValueError, match=f"certfile '{name}' does not load: .*{why}"):
            files(folder, certfile=name, keyfile=None).read()
        with pytest.raises(ValueError, match=f"client-crl '{name}' does not load: .*{why}"):
            files(folder, client_crl=name).read()
    assert files(folder, certfile="pipe.pem", keyfile=None).read().pairs[0].chain == b""


def test_a_change_counts_once_it_has_lasted(folder: Path) -> None:
    watched = files(folder)
    assert not watched.changed(settled=True)
    (folder / "a.pem").write_text("new")
    assert not watched.changed(settled=True)
    (folder / "a.key").write_text("new too")  # whoever writes one after the other is not done yet
    assert not watched.changed(settled=True)
    assert watched.changed(settled=True)
    assert not watched.changed(settled=True)


def test_a_change_counts_at_once_if_somebody_asks(folder: Path) -> None:
    watched = files(folder)
    (folder / "a.pem").write_text("new")
    assert watched.changed(settled=False)
    assert not watched.changed(settled=False)


@pytest.mark.parametrize("how", ["write", "replace", "unlink", "link", "link above"])
def test_every_way_to_change_a_file(folder: Path, how: str) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "tls.pem").write_text("the same")
    os.symlink("one", folder / "..data")
    os.symlink("..data/tls.pem", folder / "tls.pem")
    watched = files(folder, certfile="tls.pem", keyfile=None)
    assert not watched.changed(settled=False)
    path = folder / "tls.pem"
    match how:
        case "write":
            path.write_text("something else")
        case "replace":
            (folder / "new").write_text("something else")
            os.replace(folder / "new", path)
        case "unlink":
            path.unlink()
        case "link":
            os.symlink("two/tls.pem", folder / "new")
            os.replace(folder / "new", path)
        case _:
            os.symlink("two", folder / "new")
            os.replace(folder / "new", folder / "..data")
    assert watched.changed(settled=False)
    assert not watched.changed(settled=False)


def test_known_contents_are_not_read_again(folder: Path) -> None:
    first = files(folder)
    first.read()
    (folder / "a.key").unlink()
    material = files(folder, client_ca="ca.pem").read(first.contents)
    assert material.pairs[0].key == b"a.key" and material.client_ca == b"ca.pem"

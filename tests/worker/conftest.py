"""`rig`: makes worker parts (see rig.py), and gives them back when the test ends."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from tests.worker.rig import Rig
from webpy.supervisor import Adoption


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*arguments: Any, **given: Any) -> Rig:
        made.append(Rig(*arguments, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def adoption() -> Iterator[Adoption]:
    """An adoption socket, which several rigs may share."""
    one = Adoption()
    yield one
    one.close()


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a rig, and for its clients, who call it "localhost"."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client

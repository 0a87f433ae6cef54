"""The order of mix-ins: which is refused, what the message says, and what is free."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT
from webpy import HTTPHandler
from webpy.auth import AuthMixIn, BasicAuthHandler, BasicAuthMixIn, DigestAuthMixIn, TokenAuthMixIn
from webpy.caching import CachingMixIn
from webpy.cgi import CGIHandler
from webpy.compression import CompressionMixIn
from webpy.cookies import CookieMixIn
from webpy.cors import CORSMixIn
from webpy.csrf import CSRFMixIn
from webpy.file import FileHandler, ModifyPathHandler, PathHandler
from webpy.form import FormHandler, FormMixIn
from webpy.json import JSONHandler
from webpy.negotiation import AcceptMixIn
from webpy.objects import ObjectsHandler
from webpy.query import QueryHandler
from webpy.requestid import RequestIDMixIn
from webpy.security import SecurityMixIn
from webpy.session import SessionMixIn
from webpy.stdlib import StdlibHandler
from webpy.wsgi import WSGIHandler

HOSTS = (WSGIHandler, StdlibHandler, ObjectsHandler, CGIHandler, FileHandler, PathHandler, ModifyPathHandler)
RANKED = (
    RequestIDMixIn,
    SecurityMixIn,
    CORSMixIn,
    CSRFMixIn,
    BasicAuthMixIn,
    SessionMixIn,
    CompressionMixIn,
    CachingMixIn,
    FormMixIn,
)


def made(*bases: type) -> type:
    return type("Made", bases, {})


def refusal(*bases: type) -> str:
    with pytest.raises(TypeError) as caught:
        made(*bases)
    return str(caught.value)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("mixin", RANKED)
def test_hosts_stand_last(mixin: type, host: type) -> None:
    made(mixin, host)
    told = refusal(host, mixin)
    assert f"{mixin.__name__} must stand before {host.__name__}" in told
    assert told.endswith(f"The right order is {mixin.__name__}, {host.__name__}")


@pytest.mark.parametrize("scheme", [AuthMixIn, BasicAuthMixIn, DigestAuthMixIn, TokenAuthMixIn])
@pytest.mark.parametrize("behind", [CachingMixIn, FormMixIn])
def test_a_login_stands_before_what_depends_on_it(scheme: type, behind: type) -> None:
    made(scheme, behind)
    assert f"AuthMixIn must stand before {behind.__name__}" in refusal(behind, scheme).replace(
        scheme.__name__, "AuthMixIn"
    )


def test_the_message_names_what_was_written_and_the_whole_order() -> None:
    class Cached(CachingMixIn):
        pass

    told = refusal(Cached, RequestIDMixIn, BasicAuthHandler, FormHandler, CORSMixIn)
    assert told == (
        "Made: BasicAuthHandler must stand before Cached: clients without credentials would be answered 304 or 412 "
        "instead of 401 (RFC 9110 section 13.2.1). The right order is "
        "RequestIDMixIn, CORSMixIn, BasicAuthHandler, Cached, FormHandler"
    )
    made(RequestIDMixIn, CORSMixIn, BasicAuthHandler, Cached, FormHandler)


def test_what_is_inherited_counts() -> None:
    class Page(BasicAuthMixIn, HTTPHandler):
        pass

    class Whole(CompressionMixIn, Page):
        pass

    made(CORSMixIn, Whole)
    assert "Page must stand before CachingMixIn" in refusal(CachingMixIn, Page)
    assert "CompressionMixIn must stand before CachingMixIn" in refusal(CachingMixIn, Whole)
    assert "CORSMixIn must stand before BasicAuthMixIn" in refusal(Whole, CORSMixIn)


def test_several_schemes_in_any_order() -> None:
    made(BasicAuthMixIn, TokenAuthMixIn, DigestAuthMixIn)
    made(DigestAuthMixIn, TokenAuthMixIn, BasicAuthMixIn)


@pytest.mark.parametrize("free", [QueryHandler, JSONHandler, AcceptMixIn, CookieMixIn])
@pytest.mark.parametrize("mixin", RANKED)
def test_those_without_a_rank_stand_anywhere(mixin: type, free: type) -> None:
    class Own(HTTPHandler):
        def respond(self) -> Any:
            return super().respond()

    made(mixin, Own, free)
    if not issubclass(mixin, free):  # else Python wants it behind
        made(Own, free, mixin)
        made(free, mixin, Own)


def test_check_tells(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from webpy.auth import BasicAuthMixIn\nfrom webpy.cors import CORSMixIn\n\n\n"
        "class Notes(BasicAuthMixIn, CORSMixIn):\n    pass\n\n\nroutes = {'/': Notes}\n"
    )
    command = [sys.executable, "-m", "webpy.cli", "check", "app.py"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 3
    assert re.search(r"Notes: CORSMixIn must stand before BasicAuthMixIn: .*CORSMixIn, BasicAuthMixIn", done.stderr)

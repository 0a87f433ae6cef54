"""Which methods are schemes: those that are declared; and in classes that declare nothing, those that look like one."""

from __future__ import annotations

import logging
import re
from typing import Any, ClassVar

import pytest

from tests.heads import request_of
from webpy import HTTPError, HTTPHandler
from webpy.auth import AuthHandler, AuthMixIn, BasicAuthHandler, BasicAuthMixIn, DigestAuthMixIn, TokenAuthMixIn


class Declared(AuthHandler):
    auth_schemes = ("key", "x-one-time")

    def auth_key(self, token: str) -> Any:
        return self.auth_log(token) and None

    def auth_x_one_time(self, token: str) -> Any:
        return token == "1"

    def auth_log(self, token: str) -> str:
        return f"logged {token}"

    def do_get(self) -> Any:
        return 200, "in"


def ask(cls: type[AuthMixIn], authorization: str) -> Any:
    try:
        return cls(request_of("GET", "/", f"Authorization: {authorization}"), ()).respond()  # type: ignore[arg-type]
    except HTTPError as error:
        return error.status


def test_a_helper_is_no_scheme() -> None:
    assert Declared._schemes == ("key", "x_one_time")
    assert ask(Declared, "Log anything") == ask(Declared, "Key x") == ask(Declared, "X-One-Time 2") == 401
    assert ask(Declared, "x-one-time 1") == (200, "in")

    class More(Declared):
        def auth_more(self, token: str) -> Any:
            """A helper too, as its base class declares the schemes."""
            return True

    assert ask(More, "More x") == 401


def test_a_class_speaks_for_its_bases_and_not_for_those_beside_it() -> None:
    class Both(Declared, BasicAuthMixIn):
        pass

    class Fewer(BasicAuthMixIn, TokenAuthMixIn):
        auth_schemes: ClassVar[tuple[str, ...]] = ("token",)

    class Own(BasicAuthMixIn):
        def auth_basic(self, token: str) -> Any:
            return token

    class Without(Declared):
        auth_key = None  # type: ignore[assignment]

    assert Both._schemes == ("key", "x_one_time", "basic")
    assert Fewer._schemes == ("token",)
    assert Own._schemes == ("basic",)
    assert Without._schemes == ("x_one_time",)
    assert type("All", (TokenAuthMixIn, DigestAuthMixIn, BasicAuthMixIn), {})._schemes == (  # type: ignore[attr-defined]
        *("bearer", "token", "digest", "basic"),
    )


@pytest.mark.parametrize(
    ("schemes", "wanted"),
    [
        ("basic", "auth_schemes is 'basic', wanted a tuple such as ('basic', 'token')"),
        (("basic", "key"), "auth_schemes names 'key', and there is no method auth_key"),
        ((1,), "auth_schemes has 1, wanted a name such as 'basic'"),
    ],
)
def test_declarations_that_cannot_be(schemes: object, wanted: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"Bad: {wanted}")):
        type("Bad", (BasicAuthHandler,), {"auth_schemes": schemes})


def test_undeclared_a_registered_scheme_is_one(caplog: pytest.LogCaptureFixture) -> None:
    class Old(AuthHandler):
        def auth_scram_sha_256(self, message: str) -> Any:
            return message

    assert Old._schemes == ("scram_sha_256",) and not caplog.records


def test_undeclared_what_takes_a_token_is_one_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "webpy"):

        class Old(AuthHandler):
            def auth_any(self, token: str) -> Any:
                return token

        class Younger(Old):
            pass

    assert Old._schemes == Younger._schemes == ("any",)
    (record,) = caplog.records
    assert "auth_any is taken for a scheme" in record.getMessage() and "auth_schemes = ('any',)" in record.getMessage()


@pytest.mark.parametrize(
    "method", [lambda self, text: True, lambda self: True, lambda self, token, more: True, lambda *given: True, len]
)
@pytest.mark.parametrize("base", [AuthHandler, BasicAuthHandler])
def test_undeclared_anything_else_is_refused(base: type, method: Any) -> None:
    with pytest.raises(
        TypeError, match=r"Bad\.auth_log: is it a scheme or a helper\?.*schemes of Bad.*rename a helper"
    ):
        type("Bad", (base,), {"auth_log": method})
    plain = type("Plain", (HTTPHandler,), {"auth_log": method})
    with pytest.raises(TypeError, match=r"Plain\.auth_log"):
        type("Bad", (base, plain), {})
    assert type("Good", (base,), {"auth_log": method, "auth_basic": lambda self, token: 1, "auth_schemes": ["Basic"]})


def test_declarations_under_the_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"Old\.schemes is deprecated: auth_schemes"):

        class Old(AuthHandler):
            schemes = ("key",)

            def auth_key(self, token: str) -> Any:
                return token

            def auth_log(self, token: str) -> Any:
                return token

    class Beside:
        schemes = ("key",)

        def auth_key(self, token: str) -> Any:
            return token

    with pytest.warns(DeprecationWarning, match=r"Beside\.schemes is deprecated"):
        both = type("Both", (Beside, BasicAuthMixIn), {})
    assert Old._schemes == ("key",) and both._schemes == ("key", "basic")  # type: ignore[attr-defined]

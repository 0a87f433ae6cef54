"""One rule for the names of features: `XMixIn`, `XHandler`, options with a prefix; and what of the old names."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.heads import request_of
from tests.server import ROOT
from webpy import HTTPError, HTTPErrorHandler, HTTPHandler, query, store
from webpy.auth import BasicAuthHandler, DigestAuthHandler, Nonces, TokenAuthHandler
from webpy.caching import CachingMixIn
from webpy.conditional import Validators
from webpy.file import FileHandler, PathHandler
from webpy.framework.renaming import RenamedOptions
from webpy.page import PageErrorHandler, PageHandler
from webpy.session import SessionMixIn

PREFIXES: dict[str, tuple[str, ...]] = {
    "auth": ("auth_",),
    "caching": ("cache_",),
    "compression": ("compression_",),
    "cookies": (),
    "cors": ("cors_",),
    "csrf": ("csrf_",),
    "decompression": ("decompression_",),
    "file": ("file_", "cache_control"),
    "form": ("form_",),
    "json": ("json_",),
    "negotiation": (),
    "page": ("page_",),
    "query": ("query_",),
    "ratelimit": ("ratelimit_",),
    "redirect": ("redirect_",),
    "requestid": ("request_id_",),
    "security": ("security_",),
    "session": ("session_",),
}
#: what these classes have beside options: the framework's own, and what they find out about a request or a class
OTHERS = {"auth", "decodes_path", "mixin_rank", "renamed_in_place", "renamed_options", "tree"}

OLD: list[tuple[type, str, str, Any]] = [
    (BasicAuthHandler, "realm", "auth_realm", "notes"),
    (BasicAuthHandler, "users", "auth_users", object()),
    (BasicAuthHandler, "schemes", "auth_schemes", ["Basic"]),
    (DigestAuthHandler, "algorithms", "auth_algorithms", ("MD5",)),
    (DigestAuthHandler, "nonces", "auth_nonces", Nonces(store.MemoryStore(per_worker=True))),
    (CachingMixIn, "validators", "cache_validators", lambda self: Validators('"x"')),
    (FileHandler, "filename", "file_path", "a.txt"),
    (FileHandler, "charset", "file_charset", "latin-1"),
    (FileHandler, "types", "file_types", {".txt": "text/x"}),
    (FileHandler, "precompressed", "file_precompressed", True),
    (FileHandler, "content_type", "file_content_type", lambda self, path: "text/x"),
    (PathHandler, "local", "file_local", "elsewhere"),
    (PathHandler, "index_files", "file_index_files", ("a.html",)),
    (PathHandler, "dir_index", "file_dir_index", True),
    (PageHandler, "directory", "page_directory", "pages"),
    (PageHandler, "page", "page_file", "a.html"),
    (PageErrorHandler, "template", "page_template", "{code}"),
    (PageErrorHandler, "values", "page_values", lambda self: {}),
    (PageHandler, "format", "page_format", lambda self, template: "x"),
    (query.QueryHandler, "max_query_fields", "query_max_fields", 2),
    (SessionMixIn, "session_life_s", "session_ttl_s", 60.0),
]


def classes(feature: str) -> Iterator[type]:
    module = importlib.import_module(f"webpy.{feature}")
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type) and issubclass(value, (HTTPHandler, HTTPErrorHandler)):
            yield value


@pytest.mark.parametrize("feature", [*PREFIXES, "cgi", "objects", "stdlib", "wsgi"])
def test_classes_are_mix_ins_or_handlers(feature: str) -> None:
    for cls in classes(feature):
        assert cls.__name__.endswith(("MixIn", "Handler")), cls
        twin = getattr(importlib.import_module(f"webpy.{feature}"), cls.__name__.replace("Handler", "MixIn"), None)
        assert twin is None or issubclass(cls, twin), f"{cls.__name__} is not made of {twin}"


@pytest.mark.parametrize("feature", PREFIXES)
def test_options_begin_with_their_feature(feature: str) -> None:
    for cls in classes(feature):
        for base in cls.__mro__:
            if not base.__module__.startswith(f"webpy.{feature}"):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                options = {name for name, value in vars(base).items() if not callable(value)}
            ours = {name for name in options if not name.startswith("_") and not isinstance(vars(base)[name], property)}
            old = {name for name in ours if name in {entry[1] for entry in OLD}}  # stands for the new one
            wrong = {name for name in ours - old - OTHERS if not name.startswith(PREFIXES[feature])}
            assert not wrong, f"{base.__qualname__}: {wrong}"


def test_the_table_of_old_names_is_complete() -> None:
    known = {(old, new) for _, old, new, _ in OLD}
    found = {
        pair
        for feature in PREFIXES
        for cls in classes(feature)
        if issubclass(cls, RenamedOptions)
        for base in cls.__mro__
        for pair in vars(base).get("renamed_options", {}).items()
    }
    assert found == known
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert not [pair for pair in found if f"`{pair[0]}` → `{pair[1]}`" not in changes]


@pytest.mark.parametrize(("base", "old", "new", "value"), OLD, ids=[old for _, old, _, _ in OLD])
def test_an_old_name_counts_and_warns(base: type, old: str, new: str, value: Any) -> None:
    more = {"session_store": store.MemoryStore(per_worker=True)} if base is SessionMixIn else {}
    with pytest.warns(DeprecationWarning, match=rf"Old\.{old} is deprecated: {new} is its name now") as caught:
        made = type("Old", (base,), {old: value, **more})
    assert len(caught) == 1 and caught[0].filename == __file__
    assert getattr(made, new) == value
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(made, old) == value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(type("New", (base,), {new: value, **more}), new) == value


def old_style(*bases: type, **attributes: Any) -> Any:
    with pytest.warns(DeprecationWarning):
        return type("Old", bases, attributes)


def test_old_names_do_what_they_did(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("{x}")
    request = request_of("GET", "/")
    private: Any = old_style(BasicAuthHandler, realm="notes", login=lambda self, user, password: None)
    with pytest.raises(HTTPError) as caught:
        private(request, ()).respond()
    assert caught.value.headers is not None and 'realm="notes"' in caught.value.headers["WWW-Authenticate"]

    sent = old_style(FileHandler, filename=tmp_path / "a.txt", charset="latin-1")(request_of("GET", "/"), ())
    sent.respond()[1].close()
    assert sent.response.headers["Content-Type"] == "text/plain; charset=latin-1"

    page = old_style(PageHandler, directory=tmp_path, page="a.txt", values=lambda self: {"x": "<"})
    assert page(request_of("GET", "/"), ()).respond() == (200, "&lt;")

    few = old_style(query.QueryHandler, max_query_fields=1, do_get=lambda self: (200, ""))
    with pytest.raises(HTTPError, match="400"):
        few(request_of("GET", "/?a&b"), ()).respond()

    cached = old_style(CachingMixIn, validators=lambda self: Validators('"x"'), do_get=lambda self: (200, "body"))
    assert cached(request_of("GET", "/", 'If-None-Match: "x"'), ()).respond() == (304, None)

    kept = old_style(SessionMixIn, session_life_s=60.0, session_store=store.MemoryStore(per_worker=True))
    assert kept._terms.ttl_s == 60.0


def test_what_was_free_is_free() -> None:
    """`users` was no option of Bearer: a handler may have one of its own, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = type("Own", (TokenAuthHandler,), {"users": {"ann": 1}, "algorithms": 2})
        assert made.users == {"ann": 1} and made.algorithms == 2  # type: ignore[attr-defined]

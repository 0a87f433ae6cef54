"""webpy.page with Jinja2: pages and error pages of a real server, beside mix-ins; what its errors say, and to whom."""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib.util
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import pytest

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import page

Serve = Callable[..., Server]
EVIL = "<script>alert('1')</script>&\""
TAME = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;"

APP = """
import webpy as web
import webpy.file
from webpy import page
from webpy.auth import BasicAuthMixIn
from webpy.compression import CompressionMixIn
from webpy.form import FormMixIn
from webpy.session import SessionMixIn

static_url = webpy.file.StaticURLs("static", "/static")


class Site(page.PageHandler):
    page_engine = "jinja2"

    @classmethod
    def page_environment(cls, environment):
        environment.globals["static_url"] = static_url
        environment.filters["loud"] = lambda text: text.upper()


class Hello(Site):
    page_file = "hello.html"

    def page_values(self):
        return {"name": self.groups[0], "notes": ["one", "<two>"], "markup": page.HTML("<b>bold</b>")}


class Text(Site):
    page_template = "{% extends 'base.html' %}{% block main %}{{ request.query }}{% endblock %}"


class Plain(Site):
    page_file = "plain.txt"


class Notes(BasicAuthMixIn, SessionMixIn, FormMixIn, Site):
    page_file = "notes.html"

    def login(self, user, password):
        return password == "sesame" and user

    def do_post(self):
        self.session["title"] = self.request.body["title"]
        return 201, self.render(answer=201)


class Small(CompressionMixIn, Site):
    page_file = "long.html"


class Broken(Site):
    def page_values(self):
        return {"secret": "xyzzy"}

    @property
    def page_file(self):
        return self.groups[0] + ".html"


class Error(page.PageErrorHandler):
    page_engine = "jinja2"
    page_file = "error.html"


class Bad(page.PageErrorHandler):
    page_engine = "jinja2"
    page_file = "wrong.html"


class Bare(page.PageErrorHandler):
    page_engine = "jinja2"


routes = {
    "/hello/(.*)": Hello,
    r"/text(\\?.*)?": Text,
    "/plain": Plain,
    "/notes": Notes,
    "/small": Small,
    "/broken/(.*)": Broken,
    "/gone": type("Gone", (web.HTTPHandler,), {"do_get": lambda self: (_ for _ in ()).throw(web.HTTPError(410))}),
}
error_routes = {"404": Error, "410": Bad, "405": Bare}
"""

FILES = {
    "base.html": "<title>{% block title %}{% endblock %}</title><main>{% block main %}{% endblock %}</main>",
    "hello.html": """{% extends "base.html" %}
{% block title %}{{ name | loud }}{% endblock %}
{% block main %}<p title="{{ name }}">{{ name }}</p>{% for note in notes %}<li>{{ note }}</li>{% endfor %}
{{ markup }} {{ static_url("app.css") }} {{ missing }}{% endblock %}
""",
    "plain.txt": "{{ '<' }}",
    "notes.html": "{{ handler.auth }} {{ handler.session.get('title', 'none') }} {{ request.method }} {{ answer }}",
    "long.html": "{% for n in range(500) %}a line{% endfor %}",
    "error.html": "<h1>{{ code }} {{ status_message }}</h1>{{ message }} {{ request.path }} {{ handler.error.status }}",
    "wrong.html": "one\n{% if %}",
    "raises.html": "one\ntwo\n{{ secret.nothing.more }}",
    "divides.html": "{% include 'inner.html' %}",
    "inner.html": "\n{{ 1 / 0 }}",
}


@pytest.fixture(params=["1", "2"])
def server(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Server:
    write(tmp_path)
    return serve("site/app.py", "--workers", request.param)


def write(tmp_path: Path) -> None:
    (tmp_path / "site" / "templates").mkdir(parents=True)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "app.css").write_text("p {}")
    (tmp_path / "site" / "app.py").write_text(APP)
    for name, text in FILES.items():
        (tmp_path / "site" / "templates" / name).write_text(text)


def test_pages(server: Server) -> None:
    answer = server.get("/hello/%3Cscript%3E")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = answer.body.decode()
    assert text.startswith("<title>%3CSCRIPT%3E</title><main><p title=")
    assert "<li>one</li><li>&lt;two&gt;</li>\n<b>bold</b> /static/app." in text
    head = server.request("HEAD", "/hello/%3Cscript%3E")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))
    assert server.get("/text?a=1&b=2").body == b"<title></title><main>a=1&amp;b=2</main>"
    assert server.get("/plain").body == b"&lt;", "it is sent as HTML, whatever its name"
    small = server.request("GET", "/small", headers={"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip" and len(small.body) < 500


def test_form_session_and_login(server: Server) -> None:
    assert server.get("/notes").status == 401
    fields = {"Authorization": "Basic " + base64.b64encode(b"<ann>:sesame").decode()}
    answer = server.request("GET", "/notes", headers=fields)
    assert answer.body == b"&lt;ann&gt; none GET "
    form = {**fields, "Content-Type": "application/x-www-form-urlencoded"}
    answer = server.request("POST", "/notes", body=urlencode({"title": EVIL}), headers=form)
    assert (answer.status, answer.body.decode()) == (201, f"&lt;ann&gt; {TAME} POST 201")
    cookie = {**fields, "Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    for _ in range(4):
        assert server.request("GET", "/notes", headers=cookie).body.decode() == f"&lt;ann&gt; {TAME} GET "


def test_error_pages(server: Server) -> None:
    answer = server.get("/nowhere/%3Cb%3E")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert answer.body == b"<h1>404 Not Found</h1>404 - Not Found /nowhere/%3Cb%3E 404"
    bare = server.request("PUT", "/plain", b"")
    assert bare.status == 405 and b"<h1>405 Method Not Allowed</h1>" in bare.body, "webpy's own page"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "log"),
    [
        ("/broken/none", r"'none\.html' not found in search path: '.*/site/templates'"),
        ("/broken/wrong", r'File ".*/site/templates/wrong\.html", line 2'),
        ("/broken/raises", r'File ".*/site/templates/raises\.html", line 3, in top-level template code'),
        ("/broken/divides", r'File ".*/site/templates/inner\.html", line 2, in top-level template code'),
        ("/broken/..%252Fapp", "not found in search path"),
        ("/gone", r'File ".*/site/templates/wrong\.html", line 2'),
    ],
)
def test_errors_name_the_template_and_the_line_in_the_log_only(server: Server, path: str, log: str) -> None:
    answer = server.get(path)
    assert answer.status in (500, 410)
    assert re.fullmatch(rb"(500 - Internal Server Error|410 - Gone)\n", answer.body)
    server.wait_for(log)
    assert server.get("/plain").status == 200


@pytest.mark.slow
def test_templates_are_compiled_once_and_anew_by_a_reload(server: Server, tmp_path: Path) -> None:
    plain = tmp_path / "site" / "templates" / "plain.txt"
    with contextlib.closing(server.client()) as client:
        assert body(client) == b"&lt;"
        plain.write_text("new")
        assert body(client) == b"&lt;"
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    assert server.get("/plain").body == b"new"


def body(client: http.client.HTTPConnection) -> bytes:
    client.request("GET", "/plain")
    return client.getresponse().read()


@pytest.mark.slow
def test_with_reload_a_changed_template_is_served(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path)
    server = serve("site/app.py", "--workers", "1", "--reload")
    server.wait_for(r"autoreload \[\d+\] is ready")
    assert b"Not Found" in server.get("/none").body
    (tmp_path / "site" / "templates" / "error.html").write_text("changed {{ code }}")
    server.wait_for(r"changed: .*error\.html$")
    server.wait_for("reload done: generation 2 serves")
    assert server.get("/none").body == b"changed 404"


# -- classes ---------------------------------------------------------------------------------------------------


def test_an_engine_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="Wrong.page_engine: got 'jinja', wanted 'format' or 'jinja2'"):
        type("Wrong", (page.PageHandler,), {"page_engine": "jinja"})


def test_the_folder_is_beside_the_module_or_as_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("absolute {{ x }}")

    class Absolute(page.PageHandler):
        page_engine, page_directory, page_file = "jinja2", tmp_path, "a.html"

        def page_values(self) -> dict[str, int]:
            return {"x": 1}

    class Below(Absolute):
        def do_get(self) -> tuple[int, str]:
            self.page_file = "missing.html"
            return 200, self.render(x=2)

    assert Absolute(request_of("GET"), ()).respond() == (200, "absolute 1")  # type: ignore[arg-type]
    with pytest.raises(Exception, match=rf"'missing.html' not found in search path: '{tmp_path}'"):
        Below(request_of("GET"), ()).respond()  # type: ignore[arg-type]


def test_a_class_of_another_module_has_the_templates_of_its_base(tmp_path: Path) -> None:
    for name, text in {
        "base/site.py": "from webpy import page\nclass Site(page.PageHandler):\n    page_engine = 'jinja2'\n",
        "base/templates/index.html": "of the base",
        "pages/start.py": "from site_base import Site\nclass Start(Site):\n    pass\n"
        "class Own(Site):\n    page_directory = 'own'\n",
        "pages/own/index.html": "of its own",
        "pages/templates/index.html": "wrong",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    start = load("site_start", tmp_path / "pages" / "start.py", site_base=tmp_path / "base" / "site.py")
    assert start.Start(request_of("GET"), ()).respond() == (200, "of the base")
    assert start.Own(request_of("GET"), ()).respond() == (200, "of its own")


def load(name: str, path: Path, **before: Path) -> Any:
    """Import a module from its file, after others that it imports; they are gone from sys.modules afterwards."""
    names = {**before, name: path}
    try:
        for each, file in names.items():
            spec = importlib.util.spec_from_file_location(each, file)
            assert spec and spec.loader
            sys.modules[each] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[each])
        return sys.modules[name]
    finally:
        for each in names:
            sys.modules.pop(each, None)


def test_names_without_a_value_can_be_errors() -> None:
    class Strict(page.PageHandler):
        page_engine, page_template = "jinja2", "{{ nothing }}"

        @classmethod
        def page_environment(cls, environment: jinja2.Environment) -> None:
            environment.undefined = jinja2.StrictUndefined

    class Lenient(page.PageHandler):
        page_engine, page_template = "jinja2", "{{ nothing }}"

    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        Strict(request_of("GET"), ()).respond()  # type: ignore[arg-type]
    assert Lenient(request_of("GET"), ()).respond() == (200, "")  # type: ignore[arg-type]


def test_without_jinja2_it_is_said_what_to_install(tmp_path: Path) -> None:
    write(tmp_path)
    code = "import sys; sys.modules['jinja2'] = None; from webpy.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "site/app.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3
    assert "Site: page_engine = 'jinja2' needs Jinja2: pip install 'webpy[page]'" in done.stderr

"""webpy.page: templates, what is escaped in them, errors as pages; the example on two workers."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.admin.browser import Browser
from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPErrorHandler, page
from webpy.framework.routing.routes import compile_routes

Serve = Callable[..., Server]
EVIL = "<script>alert('1')</script>&\""
TAME = html.escape(EVIL)


class Hello(page.PageHandler):
    page_template = '<p title="{name}">{name}</p>{{}}'

    def page_values(self) -> dict[str, Any]:
        return {"name": EVIL}

    def do_post(self) -> tuple[int, str]:
        return 400, self.render(name="other")


def handler(cls: type[page.PageHandler], method: str = "GET") -> page.PageHandler:
    return cls(request_of(method), ())  # type: ignore[arg-type]


def test_values_are_escaped() -> None:
    made = handler(Hello)
    assert made.respond() == (200, f'<p title="{TAME}">{TAME}</p>{{}}')
    assert made.response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<" not in TAME and '"' not in TAME and "'" not in TAME


@given(st.text())
def test_no_text_is_markup(text: str) -> None:
    filled = page.fill("<p title='{a}'>{a}{a!r}{a!s:>5}</p>", {"a": text})
    inner = filled.removeprefix("<p title='").removesuffix("</p>").replace("'>", "", 1)
    assert not set(inner) & set("<>'\"")


class Markup:
    def __html__(self) -> str:
        return "<b>"


@pytest.mark.parametrize(
    ("template", "value", "filled"),
    [
        ("{a}", 1.5, "1.5"),
        ("{a:.3f}", 1.5, "1.500"),
        ("{a:>3}|", "<", "  &lt;|"),
        ("{a:{w}}|", "<", "&lt;  |"),
        ("{a!r}", "'", "&quot;&#x27;&quot;"),
        ("{a[x]}", {"x": "<"}, "&lt;"),
        ("{a.real}", 3, "3"),
        ("{a}", None, "None"),
        ("{a}", page.HTML("<b>"), "<b>"),
        ("{a}", Markup(), "<b>"),
        ("{a:>4}", page.HTML("<b>"), " &lt;b&gt;"),
        ("{a!s}", page.HTML("<b>") + "<i>", "&lt;b&gt;&lt;i&gt;"),
        ("{{{a}}}", "{w}", "{{w}}"),  # a value is not taken for a template
    ],
)
def test_fields(template: str, value: Any, filled: str) -> None:
    assert page.fill(template, {"a": value, "w": 3}) == filled


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{b}", "x: no value for the field 'b'; there are: a"),
        ("{}", "x: no value for the field"),
        ("{a.none}", "x: no value for the field .* 'none'"),
        ("p { color: red }", "x: no value for the field ' color'"),
        ("p }", "x: Single '}' .*written twice"),
    ],
)
def test_a_bad_template_is_named(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        page.fill(template, {"a": 1}, "x")


def test_a_file(tmp_path: Path) -> None:
    class Filed(page.PageHandler):
        page_directory = tmp_path

    (tmp_path / "index.html").write_text("<p>ü {x}</p>", "utf-8")
    assert handler(Filed).respond() == (200, "<p>ü {x}</p>")  # without values it is sent unchanged
    assert handler(Filed).render(x="<") == "<p>ü &lt;</p>"
    (tmp_path / "index.html").write_text("changed")
    assert handler(Filed, "HEAD").respond() == (200, "changed")
    (tmp_path / "index.html").write_text("{y}")
    with pytest.raises(ValueError, match=r"index\.html: no value for the field 'y'"):
        handler(Filed).render(x=1)
    (tmp_path / "index.html").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        handler(Filed).respond()
    (tmp_path / "index.html").unlink()
    with pytest.raises(FileNotFoundError):
        handler(Filed).respond()


def test_render_has_further_values_for_other_methods() -> None:
    assert handler(Hello, "POST").respond() == (400, '<p title="other">other</p>{}')


def test_what_a_handler_overrides_counts() -> None:
    class Own(Hello):
        def page_format(self, template: str) -> str:
            self.response.headers.set("Content-Type", "application/xhtml+xml")
            return template.upper()

    made = handler(Own)
    assert made.respond() == (200, Hello.page_template.upper())
    assert made.response.headers["Content-Type"] == "application/xhtml+xml"
    assert made.render(name="x") == Hello.page_template.upper()


def rendered(error: HTTPError, cls: type[page.PageErrorHandler] = page.PageErrorHandler) -> str:
    made = compile_routes({}, page.new_error(handler=cls)).error_handler(request_of(), error)
    status, reason, body = made.respond()
    assert (status, reason) == (error.status, error.status_message)
    assert made.response.headers["Content-Type"] == "text/html; charset=utf-8"
    for name, value in error.headers or ():
        assert name == "Content-Type" or made.response.headers[name] == value
    assert isinstance(body, str)
    return body


def test_the_plain_error_page() -> None:
    body = rendered(HTTPError(404, headers={"X-Kept": "1", "Content-Type": "text/plain"}))
    assert "<title>404 Not Found</title>" in body and "<p>404 - Not Found</p>" in body
    body = rendered(HTTPError(400, EVIL, status_message="<Bad>"))
    assert f"<p>{TAME}</p>" in body and "<h1>400 &lt;Bad&gt;</h1>" in body
    assert f"<p>{TAME}</p>" in rendered(HTTPError(400, EVIL.encode()))
    assert "<p><b>x</b></p>" in rendered(HTTPError(400, page.HTML("<b>x</b>")))


def test_an_errors_stream_is_closed() -> None:
    closed: list[bool] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"x"
        finally:
            closed.append(True)

    stream = pieces()
    next(stream)
    assert "<p>500 - Internal Server Error</p>" in rendered(HTTPError(500, stream))
    assert closed == [True]


def test_an_error_page_of_ones_own(tmp_path: Path) -> None:
    class Filed(page.PageErrorHandler):
        page_directory, page_file = str(tmp_path), "error.html"

    (tmp_path / "error.html").write_text("<i>{code} {status_message}: {message}</i>")
    assert rendered(HTTPError(404, "<"), Filed) == "<i>404 Not Found: &lt;</i>"

    class More(Filed):
        def page_format(self, template: str | None = None) -> str:
            return f"{template}!"

    assert rendered(HTTPError(404), More) == "<i>{code} {status_message}: {message}</i>!"
    (tmp_path / "error.html").write_text("{nothing}")
    with pytest.raises(ValueError, match=r"error\.html: no value for the field 'nothing'"):
        rendered(HTTPError(404), Filed)


def test_other_statuses_stay_as_they_are() -> None:
    made = compile_routes({}, page.new_error()).error_handler(request_of(), HTTPError(303, "x"))
    assert type(made) is HTTPErrorHandler
    assert page.new_error("404", handler=HTTPErrorHandler) == {"404": HTTPErrorHandler}


def test_the_example(serve: Serve) -> None:
    server = serve(ROOT / "examples" / "page.py", "--workers", "2")
    for _ in range(4):
        answer = server.get("/")
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert b"<h1>Hello, World!</h1>" in answer.body and b"body { font" in answer.body
    body = server.get("/?name=%3Cb%3E%22M%C3%BC%22%3C%2Fb%3E").body.decode()
    tame = "&lt;b&gt;&quot;Mü&quot;&lt;/b&gt;"
    assert f"<h1>Hello, {tame}!</h1>" in body and f'value="{tame}"' in body
    head = server.request("HEAD", "/")
    assert (head.body, head.headers["Content-Length"]) == (b"", str(len(server.get("/").body)))
    bad = server.get("/?name=%")
    assert (bad.status, bad.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert b"got &#x27;%&#x27; at character 6" in bad.body
    missing = server.get("/nowhere")
    assert missing.status == 404 and b"<p>404 - Not Found</p>" in missing.body
    broken = server.get("/broken")
    assert broken.status == 500 and b"<title>Internal Server Error</title>" in broken.body
    server.wait_for("ZeroDivisionError: division by zero")
    assert b"ZeroDivision" not in broken.body
    denied = server.request("DELETE", "/")
    assert (denied.status, denied.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.timeout(120)
def test_the_example_in_a_browser(serve: Serve) -> None:
    """Text that is typed is shown as text, never as markup."""
    server = serve(ROOT / "examples" / "page.py", "--workers", "2")
    evil = "\"><img src=x onerror=\"document.title='stolen'\"><script>document.title='stolen'</script>'{name}&amp;"
    browser = Browser()
    try:
        tab = browser.open(f"{server.url}/")
        tab.eval("document.querySelector('input').select()")
        tab.write(evil)
        tab.click("button")
        tab.wait("location.search")
        tab.wait("document.readyState === 'complete'")
        assert tab.eval("document.querySelector('h1').textContent") == f"Hello, {evil}!"
        assert tab.eval("document.querySelector('input').value") == evil
        assert tab.eval("document.title") == "Greeting"
        assert tab.eval("document.querySelectorAll('img, script').length") == 0
        tab.go(f"{server.url}/%3Cimg%20src=x%3E")
        assert tab.eval("document.querySelector('p').textContent") == "404 - Not Found"
    finally:
        browser.close()
    assert server.stop() == 0

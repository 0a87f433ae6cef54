"""The page for an exception in a browser: nothing is wider than the window, nothing is fetched, no script runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.browser import Browser
from tests.dev.conftest import Develop

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.timeout(120)]

APP = '''
import webpy as web
class Fails(web.HTTPHandler):
    def do_get(self):
        text = "<script>document.title = 'run'</script><img src=x onerror=document.title='run'>"
        return 200, {}["a long name " * 100 + text + "x" * 500]  # wider than any telephone's window
routes = {"/(.*)": Fails}
'''


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page(width: int, dark: bool, develop: Develop, browser: Browser) -> None:
    server = develop(APP, "--locals")
    tab = browser.open(f"{server.url}/a", width, 800, dark=dark)
    assert tab.eval("document.documentElement.scrollWidth") <= width
    assert tab.eval("document.title").startswith("KeyError: ") and "<script>" in tab.text()
    assert "Fails.do_get · app.py:6" in tab.text() and "application" in tab.text()
    assert tab.eval("getComputedStyle(document.body).backgroundColor") == (
        "rgb(15, 19, 21)" if dark else "rgb(245, 244, 240)"
    )
    assert tab.eval("document.querySelectorAll('details.application[open]').length") == 1
    troubles = [each for each in tab.troubles() if "500 (Internal Server Error)" not in each]
    assert not troubles
    assert tab.eval("performance.getEntriesByType('resource').length") == 0
    tab.close()


def test_it_goes_on_when_the_application_is_mended(develop: Develop, browser: Browser) -> None:
    server = develop("1 / 0\n")
    tab = browser.open(f"{server.url}/page")
    assert "ZeroDivisionError" in tab.text() and "The application does not load" in tab.text()
    (server.cwd / "app.py").write_text(APP.replace('return 200, {}["a long', 'return 200, ["mended"][0]  # ["a long'))
    server.wait_for("reloaded app.py:routes")
    tab.wait("document.body && document.body.innerText.includes('mended')")
    tab.close()

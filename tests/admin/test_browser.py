"""The page in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.admin.browser import Browser, Tab
from tests.admin.conftest import Admin
from tests.admin.live import SITE, TOKEN, Live, waiting
from tests.admin.sample import sample, worker
from tests.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.timeout(120)]

SHOWN = "!document.getElementById('main').hidden"
SCRIPT = "GET /<script>document.title='stolen'</script><img src=x onerror=alert(1)> HTTP/1.1"


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Tab]]:
    tabs: list[Tab] = []

    def show(url: str, *size: int, **media: Any) -> Tab:
        tabs.append(browser.open(url, *size, **media))
        tabs[-1].wait(SHOWN)
        return tabs[-1]

    yield show
    for tab in tabs:
        tab.close()


def test_a_real_server_from_load_to_end(serve: Callable[..., Server], show: Callable[..., Tab]) -> None:
    server = serve(SITE, "--workers", "2", "--admin", "127.0.0.1:0", "--admin-token", TOKEN)
    live = Live(server)
    tab = show(live.url)
    tab.wait("document.getElementById('stage').textContent === 'Serving'")
    tab.wait("document.querySelectorAll('#workers tr').length === 2")
    with waiting(server, "/wait?what=<script>alert(1)</script>"):
        tab.wait("document.getElementById('long').textContent.includes('<script>alert(1)</script>')")
        tab.wait("document.querySelectorAll('.map .busy').length === 1")
    for _ in range(50):
        server.get("/")
    server.get("/fail")
    tab.wait("document.querySelector('#rate .area.k2xx') && document.querySelector('#rate .area.k5xx')")
    tab.wait("document.querySelector('#latency .line.p99')")
    # samples add up: the area has a corner for each, above and below; those of one sample alone may be four
    give_up = time.monotonic() + 20
    while not tab.eval("document.querySelector('#rate .area').getAttribute('d').match(/[ML]/g).length >= 6"):
        assert time.monotonic() < give_up, tab.text()
        server.get("/")

    # by keyboard alone: the token is asked for, refused, asked for again, and kept
    tab.eval("document.getElementById('reload').focus()")
    tab.press("Enter", 13, "\r")
    tab.wait("document.activeElement === document.getElementById('token')")
    tab.write("guess")
    tab.press("Enter", 13, "\r")
    tab.wait("document.getElementById('refused').textContent.includes('not the admin token')")
    tab.write(TOKEN)
    tab.press("Enter", 13, "\r")
    tab.wait("document.getElementById('verdict-text').textContent.startsWith('Generation 2 serves')")
    tab.wait("document.querySelector('#past .calm .kind').textContent === 'reload'")
    tab.click("#another")
    tab.wait("document.getElementById('wanted').textContent === '3 workers'")
    tab.wait("document.querySelectorAll('#workers tr .pill.calm').length === 3")

    (server.cwd / "FAIL_HERE").touch()
    tab.click("#reload")
    tab.wait("document.getElementById('verdict-text').textContent.includes('failed; generation 2 keeps serving')")
    tab.wait("document.getElementById('verdict-all').textContent.includes('told to <b>fail</b>')")
    tab.click("#dismiss")
    assert tab.eval("document.getElementById('verdict').hidden")
    # refused tokens are 401s, which the browser calls errors; nothing else may be one
    assert [each for each in tab.troubles() if "401" not in each] == []

    assert server.stop() == 0
    tab.wait("document.getElementById('gone').textContent.startsWith('No answer since ')")
    assert tab.eval("document.title").startswith("No answer")
    assert tab.eval("document.getElementById('reload').disabled")


@pytest.mark.parametrize("hostile", ["request", "event", "verdict", "name", "cause"])
def test_nothing_of_the_status_is_markup(admin: Callable[..., Admin], show: Callable[..., Tab], hostile: str) -> None:
    there = admin()
    running = [{"thread": 7, "seconds": 9.0, "peer": SCRIPT, "request": SCRIPT}]
    verdict = {"ok": False, "generation": 4, "text": SCRIPT, "at": sample()["started_at"]}
    changes: dict[str, dict[str, Any]] = {
        "request": {"workers": [worker(0, running=running, leaving=SCRIPT)]},
        "event": {"events": [{"at": 1_700_000_000.0, "kind": SCRIPT, "text": SCRIPT + "\n" + SCRIPT}]},
        "verdict": {"reload": {"phase": "idle", "number": 3, "done": 0, "of": 0, "last": verdict}},
        "name": {"name": SCRIPT, "urls": [SCRIPT]},
        "cause": {"restarts": {SCRIPT: 3}, "sidecars": [{"title": SCRIPT, "pid": 1, "state": SCRIPT}]},
    }
    there.tell(status=sample(**changes[hostile]))
    tab = show(there.url)
    assert SCRIPT in tab.eval("document.body.textContent")
    assert tab.eval("document.querySelectorAll('script').length") == 1
    assert tab.eval("document.querySelectorAll('img').length") == 0
    assert "stolen" not in tab.eval("document.title")
    assert tab.troubles() == []


def test_the_policy_holds(admin: Callable[..., Admin], show: Callable[..., Tab]) -> None:
    tab = show(admin().url)
    assert tab.eval("fetch('http://127.0.0.1:1/').then(() => 'sent', (error) => error.name)") == "TypeError"
    with pytest.raises(AssertionError, match="TrustedHTML"):
        tab.eval("document.body.insertAdjacentHTML('beforeend', '<b>')")
    style = "Object.assign(document.createElement('style'), { textContent: 'body { color: red }' })"
    tab.eval(f"document.body.append({style})")
    assert tab.eval("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    assert len([each for each in tab.troubles() if "Content Security Policy" in each]) >= 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone(admin: Callable[..., Admin], show: Callable[..., Tab], dark: bool) -> None:
    there = admin()
    long_ = [{"thread": 7, "seconds": 9.0, "peer": "2001:db8::1", "request": "GET /" + "x" * 300 + " HTTP/1.1"}]
    event = {"at": 1_700_000_000.0, "kind": "death", "text": "y" * 300}
    there.tell(status=sample(workers=[worker(0, running=long_, map=[0] * 64), worker(1)], events=[event]))
    tab = show(there.url, 360, 760, dark=dark)
    tab.wait("document.querySelectorAll('#workers tr').length === 2")
    assert tab.eval("document.documentElement.scrollWidth") == 360
    rights = "[...document.querySelectorAll('main :not(svg, svg *)')].map((e) => e.getBoundingClientRect().right)"
    assert max(tab.eval(rights)) <= 360
    heights = "[...document.querySelectorAll('header button')].map((e) => e.getBoundingClientRect().height)"
    assert min(tab.eval(heights)) >= 43  # a thumb's
    ground = tab.eval("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) < 120) is dark


CONTRAST = """
[...document.querySelectorAll('main *, header *, footer *')].flatMap((element) => {
  const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!text || !element.checkVisibility() || element.closest('.unseen, svg, :disabled')) return [];
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  let behind = element, ground;
  do {
    ground = numbers(getComputedStyle(behind).backgroundColor);
    behind = behind.parentElement;
  } while (ground[3] === 0);
  const [a, b] = [light(numbers(getComputedStyle(element).color)), light(ground)].sort((x, y) => y - x);
  const ratio = (a + .05) / (b + .05);
  return ratio < 4.5 ? [`${element.textContent.trim()}: ${ratio.toFixed(2)}`] : [];
})
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_readable_and_named(admin: Callable[..., Admin], show: Callable[..., Tab], dark: bool) -> None:
    """WCAG 2.2: text has a contrast of 4.5; what can be operated or read has a name."""
    there = admin(admin_token="secret")
    states = ["boot", "ready", "stuck", "draining", "killed"]
    kinds = ["death", "slow", "reload", "scale"]
    request = {"thread": 7, "peer": "10.0.0.1", "request": "GET / HTTP/1.1"}
    running = [{**request, "seconds": seconds} for seconds in (1, 9, 99)]
    there.tell(
        status=sample(
            workers=[worker(slot, state=state, running=running) for slot, state in enumerate(states)],
            events=[{"at": 1_700_000_000.0 + i, "kind": kind, "text": "said"} for i, kind in enumerate(kinds)],
            reload={"phase": "rolling", "number": 4, "done": 1, "of": 5, "last": None},
        )
    )
    tab = show(there.url, dark=dark)
    tab.wait("document.querySelectorAll('#workers tr').length === 5")
    assert tab.eval(CONTRAST) == []
    nodes = tab.ask("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and "role" in node
    ]
    for role in ("button", "image", "table", "progressbar", "link", "group"):
        assert [name for got, name in named if got == role], role
        assert all(name for got, name in named if got == role), role
    images = [name for role, name in named if role == "image"]
    assert [name for name in images if name.startswith("Threads: 2 of 4 busy, 1 slow")]
    assert [name for name in images if name.startswith("Latency, the last ten minutes")]


def test_the_charts_by_keyboard(admin: Callable[..., Admin], show: Callable[..., Tab]) -> None:
    there = admin()
    tab = show(there.url, reduced=True)
    tab.wait("document.querySelector('#rate svg').getAttribute('aria-label').includes('Now: 2xx')")
    tab.eval("document.querySelector('#rate svg').focus()")
    tab.press("ArrowLeft", 37)
    tab.wait("document.querySelector('#rate [aria-live]').textContent.includes('2xx 0/s')")
    assert not tab.eval("document.querySelector('#rate .tip').hidden")
    tab.press("Escape", 27)
    assert tab.eval("document.querySelector('#rate .tip').hidden")


def test_without_a_token_nothing_can_be_changed(admin: Callable[..., Admin], show: Callable[..., Tab]) -> None:
    tab = show(admin().url)
    assert tab.eval("[...document.querySelectorAll('header button')].every((button) => button.disabled)")
    assert "Read only" in tab.text()


def test_a_silent_master_and_its_return(admin: Callable[..., Admin], show: Callable[..., Tab]) -> None:
    there = admin(admin_token="secret")
    tab = show(there.url)
    there.tell(mute=True)
    tab.wait("document.getElementById('gone').textContent.startsWith('No answer since ')")
    assert "does not answer" in tab.text()
    there.tell(mute=False)
    tab.wait("document.getElementById('gone').hidden && !document.getElementById('reload').disabled")
    assert tab.eval("document.getElementById('stage').textContent") == "Serving"


def test_another_page_of_this_machine_cannot_frame_it(admin: Callable[..., Admin], browser: Browser) -> None:
    there, other = admin(), admin()
    tab = browser.open(other.url + "healthz")
    framed = f"""new Promise((done) => {{
      const frame = document.createElement('iframe');
      frame.onload = () => done(frame.contentDocument === null ? 'another' : 'blank');
      frame.src = {there.url!r};
      document.body.append(frame);
    }})"""
    tab.ask("Page.setBypassCSP", enabled=True)
    tab.go(other.url + "readyz")
    tab.eval(framed)
    assert [each for each in tab.troubles() if "frame" in each.lower()]
    tab.close()

"""The page as a file: nothing from outside, and a policy for exactly what is in it."""

from __future__ import annotations

import base64
import hashlib
import re

from webpy.admin.page import load_page

PAGE = load_page()
TEXT = PAGE.body.decode()


def test_nothing_from_outside() -> None:
    refers = re.findall(r"""(?:src|href|action|url)\s*[=(]\s*["']?([^"'\s)>$]*)""", TEXT)
    ours = {"status.json", "metrics", "healthz", "readyz"}
    assert not [each for each in refers if each not in ours and not each.lstrip("`").startswith("data:")]
    assert "http://" not in TEXT.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in TEXT and "@import" not in TEXT


def test_one_script_and_one_style_allowed_by_their_hashes() -> None:
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inline,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", TEXT, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in PAGE.policy
    assert "unsafe" not in PAGE.policy
    assert "default-src 'none'" in PAGE.policy and "frame-ancestors 'none'" in PAGE.policy


def test_no_text_becomes_markup() -> None:
    """And no handler or style stands in an attribute, where the policy would refuse it."""
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"):
        assert sink not in TEXT
    markup = re.sub(r"<(script|style)>.*?</\1>", "", TEXT, flags=re.DOTALL)
    assert not re.findall(r"<[^>]*\s(?:on\w+|style)\s*=", markup)

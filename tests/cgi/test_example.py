"""examples/cgi.py, as its docstring says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server
from tests.test_examples import EXAMPLES, curl


@pytest.mark.needs("curl")
def test_the_example(serve: Callable[..., Server], folder: Path) -> None:
    shutil.copy(EXAMPLES / "cgi.py", folder / "cgi.py")  # where nobody may enter, should root run this
    shutil.copytree(EXAMPLES / "cgi-bin", folder / "cgi-bin", dirs_exist_ok=True)
    server = serve(folder / "cgi.py", "--workers", "2")
    base = f"{server.url}/cgi-bin"

    assert "/cgi-bin/" in curl(server.url)
    told = curl(f"{base}/environment/some/path?x=1").splitlines()
    assert {"PATH_INFO=/some/path", "QUERY_STRING=x=1", "SCRIPT_NAME=/cgi-bin/environment"} <= set(told)
    assert curl("-d", "Hello, World!", f"{base}/upper.py") == "HELLO, WORLD!"
    assert curl("-i", "-X", "POST", f"{base}/upper.py").startswith("HTTP/1.1 400 Body Wanted\n")
    assert curl(f"{base}/clock?1").count("\n") == 1
    moved = curl("-i", f"{base}/moved")
    assert moved.startswith("HTTP/1.1 302 Found\n") and "\nLocation: /cgi-bin/environment\n" in moved
    assert "SCRIPT_NAME=/cgi-bin/environment\n" in curl("-L", f"{base}/moved")
    assert server.stop() == 0
    assert server.processes() == []

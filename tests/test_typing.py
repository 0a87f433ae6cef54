"""What the documentation and the docstrings show has types that hold: an application of it passes `mypy --strict`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ROOT

DOCUMENTED = ROOT / "tests" / "typing" / "documented.py"


def check(path: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent"]
    # beside the package's own settings, but for the files they name
    ran = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_is_documented_passes_strict_mypy() -> None:
    assert check(DOCUMENTED) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_wrong_type_is_found(tmp_path: Path) -> None:
    """Types that take everything would pass the test above too."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import webpy\n"
        "from webpy.form import Form\n"
        "webpy.HTTPError('404')\n"
        "webpy.HTTPError(404, object())\n"
        "webpy.HTTPHeaders().set('Allow', 1)\n"
        "number: int = Form().field('n', str)\n"
    )
    status, said = check(wrong)
    assert status == 1
    for line in range(3, 7):
        assert f"wrong.py:{line}: error" in said, said

"""Sources of settings for tests: what a source with mistakes says, and one value from every source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from webpy.settings import OPTIONS, SettingsError, resolve

# The machine is shared: how long an example takes says nothing.
patient = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def problems(*sources: Any, **more: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        resolve(*sources, **more)
    return caught.value.problems


def toml(folder: Path, text: str) -> Path:
    path = folder / "webpy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def from_everywhere(name: str, value: str, folder: Path) -> list[Any]:
    """The value read from each of the sources that carry strings."""
    file = toml(folder, f'{name} = "{value}"\n')
    variable = {OPTIONS[name].variable: value}
    found = [resolve({name: value}), resolve({}, variable), resolve({}, {}, file), resolve(keywords={name: value})]
    return [getattr(resolved.settings, name) for resolved in found]

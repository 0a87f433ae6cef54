from __future__ import annotations

import json
from typing import Any

import pytest

from webpy.supervisor import Config, SettingsError


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"workers": 0}, "workers is 0: at least 1"),
        ({"threads": -1}, "threads is -1"),
        ({"boot_timeout_s": -0.5}, "boot_timeout_s is -0.5"),
        ({"drain_timeout_s": float("nan")}, "drain_timeout_s is nan"),
        ({"log_level": "loud"}, "log_level is 'loud': one of debug, info"),
        ({"binds": ()}, "binds is empty"),
        ({"schemes": ("http", "https")}, "schemes are .* one for each of 1 binds"),
    ],
)
def test_settings_are_checked(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Config(**setting)


def test_an_upgrade_keeps_them() -> None:
    config = Config(binds=("127.0.0.1:80", "unix:/run/x"), schemes=("http", ""), workers=3)
    state = json.loads(json.dumps(config.keep()))
    assert Config.restore(state) == config
    del state["schemes"]  # as of a version that knew none
    assert Config.restore(state).schemes == ()

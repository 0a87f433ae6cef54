from __future__ import annotations

import os
from typing import Any

import pytest

from webpy.supervisor import Config, SettingsError
from webpy.supervisor.system.identity import Identity


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"user": "no-such-user"}, "user is 'no-such-user': a user"),
        ({"group": "no-such-group"}, "group is 'no-such-group': a group"),
        ({"chdir": "/no/such/folder"}, "chdir is '/no/such/folder': a directory"),
    ],
)
def test_identities_are_looked_up(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Identity.of(Config(**setting))


def test_a_user_brings_its_group() -> None:
    identity = Identity.of(Config(user=str(os.getuid())))
    assert identity.uid == os.getuid()
    assert identity.gid is not None
    assert identity.user

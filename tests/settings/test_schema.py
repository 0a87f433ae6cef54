"""The dataclass of settings: names, defaults and descriptions."""

from __future__ import annotations

import dataclasses

import pytest

from webpy.settings import OPTIONS, Settings, effective_cpus, resolve
from webpy.settings.toml import shown_default


class TestTable:
    """The names and defaults of INTERFACE.md."""

    def test_defaults(self) -> None:
        assert resolve().settings == Settings()
        assert dataclasses.asdict(Settings()) == {
            "bind": ("127.0.0.1:8000",),
            "workers": "auto",
            "threads": 32,
            "backlog": 2048,
            "keepalive": 75,
            "header_timeout": 10,
            "body_timeout": 30,
            "write_timeout": 60,
            "request_timeout": 120,
            "slow_request": 5,
            "max_line": 8192,
            "max_headers": 32768,
            "max_fields": 100,
            "max_body": 1 << 20,
            "max_connections": "auto",
            "max_connections_per_client": 0,
            "max_request_rate": 0,
            "min_body_rate": 240,
            "boot_timeout": 60,
            "drain_timeout": 30,
            "shutdown_delay": 0,
            "max_requests": 0,
            "max_requests_jitter": 0,
            "max_lifetime": 0,
            "max_memory": 0,
            "certfile": None,
            "keyfile": None,
            "client_ca": None,
            "client_cert": "none",
            "client_crl": None,
            "acme": (),
            "acme_email": None,
            "acme_directory": "https://acme-v02.api.letsencrypt.org/directory",
            "acme_ca": None,
            "cert_watch": False,
            "tls_profile": "intermediate",
            "https_redirect": False,
            "https_redirect_except": None,
            "hsts": None,
            "access_log": "-",
            "access_format": "combined",
            "log_full": "drop",
            "error_log": "-",
            "error_format": "text",
            "log_level": "info",
            "admin": "off",
            "admin_token": None,
            "control": None,
            "socket_mode": None,
            "socket_group": None,
            "forwarded_allow_ips": (),
            "forwarded_header": "auto",
            "proxy_protocol": False,
            "user": None,
            "group": None,
            "umask": None,
            "chdir": None,
            "pidfile": None,
            "reload": False,
        }

    def test_frozen_and_slotted(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Settings().workers = 2  # type: ignore[misc]
        assert not hasattr(Settings(), "__dict__")

    @pytest.mark.parametrize("name", OPTIONS)
    def test_every_option_is_described(self, name: str) -> None:
        option = OPTIONS[name]
        assert option.help.endswith(".") and option.group and option.type.wanted
        assert option.flag == "--" + name.replace("_", "-")
        assert option.variable == "WEBPY_" + name.upper()

    @pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if shown_default(option)])
    def test_the_default_shown_reads_as_the_default(self, name: str) -> None:
        option = OPTIONS[name]
        assert option.type.read(shown_default(option)) == option.default

    def test_worker_count(self) -> None:
        assert Settings(workers=3).worker_count() == 3
        assert Settings().worker_count() == effective_cpus()

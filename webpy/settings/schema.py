"""The dataclass of all settings. Everything that reads or shows a setting is derived from it.

To add a setting, add a field: the option, the environment variable, the key, the keyword and the help follow.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from . import addresses, names, types
from .cpus import effective_cpus
from .types import SettingType

__all__ = ["NOT_IN_THIS_VERSION", "OPTIONS", "Option", "Settings"]

# Settings whose names are reserved and which do nothing yet: to set one is an error. Remove a name to allow it.
NOT_IN_THIS_VERSION: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `off` is the value that turns it off, the only one allowed if this version does not support it yet.

    Values of `secret` settings are never shown; `short` is a one-letter option, such as -b, or "".
    """

    name: str
    default: object
    type: SettingType
    help: str
    group: str
    off: object
    secret: bool
    short: str

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "WEBPY_" + self.name.upper()

    @property
    def ready(self) -> bool:
        """Whether this version supports the setting."""
        return self.name not in NOT_IN_THIS_VERSION


def _option(type_: SettingType, default: object, group: str, help: str, **rest: Any) -> Any:
    metadata = {"type": type_, "group": group, "help": help, "off": None, "secret": False, "short": "", **rest}
    return dataclasses.field(default=default, metadata=metadata)


_LISTEN, _PROCESSES, _TIMES, _LIMITS = "Listening", "Processes", "Timeouts (seconds)", "Limits"
_TLS, _LOGS, _ADMIN, _SYSTEM = "TLS", "Logs", "Administration", "System"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked: times in seconds (float), sizes in bytes (int), paths as given (chdir is absolute)."""

    bind: tuple[str, ...] = _option(
        addresses.addresses(),
        ("127.0.0.1:8000",),
        _LISTEN,
        "Listen on HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N; repeatable. A port alone is on 127.0.0.1; port 0 picks"
        " a free one, which the log names. http:// or https:// before an address says what is spoken there; if neither"
        " is, that is https if there is a certfile.",
        short="-b",
    )
    backlog: int = _option(
        types.count(1, 2**31 - 1), 2048, _LISTEN, "Maximum number of connections that wait to be accepted."
    )
    socket_mode: int | None = _option(
        types.octal("mode", "660"), None, _LISTEN, "Mode of the files of unix sockets. Default: 666 less the umask."
    )
    socket_group: str | None = _option(
        types.text("GROUP"), None, _LISTEN, "Group of the files of unix sockets: the one of a proxy, say."
    )
    forwarded_allow_ips: tuple[str, ...] = _option(
        addresses.peers(),
        (),
        _LISTEN,
        "Proxies whose Forwarded and X-Forwarded-* fields say who the client is: addresses and networks; unix for"
        " unix sockets, * for whoever connects.",
        off=(),
    )
    forwarded_header: str = _option(
        types.choice("auto", "forwarded", "x-forwarded"),
        "auto",
        _LISTEN,
        "Which fields of those proxies count: Forwarded, X-Forwarded-*, or what there is, if both say the same.",
    )
    proxy_protocol: bool = _option(
        types.switch(),
        False,
        _LISTEN,
        "Each connection of a proxy of forwarded-allow-ips has to begin with a PROXY header (version 1 or 2), which"
        " names the client.",
        off=False,
    )
    workers: int | str = _option(
        types.count(1, 1024, auto=True),
        "auto",
        _PROCESSES,
        "Number of worker processes; auto: one for each CPU that the server may use.",
        short="-w",
    )
    threads: int = _option(
        types.count(1, 4096),
        32,
        _PROCESSES,
        "Maximum number of handlers and other code of the application that run at once in a worker; with 1 it need not"
        " be thread-safe.",
    )
    keepalive: float = _option(types.seconds(), 75.0, _TIMES, "Close a connection that has been idle for so long.")
    header_timeout: float = _option(
        types.seconds(zero=False),
        10.0,
        _TIMES,
        "Limit for receiving the whole head of a request, and for the TLS handshake.",
    )
    body_timeout: float = _option(
        types.seconds(zero=False), 30.0, _TIMES, "Limit between two bytes of a request's body."
    )
    write_timeout: float = _option(
        types.seconds(zero=False), 60.0, _TIMES, "Limit for a client that reads nothing of its answer."
    )
    request_timeout: float = _option(
        types.seconds(), 120.0, _TIMES, "Limit for a handler; its worker is then replaced. 0 is off.", off=0.0
    )
    slow_request: float = _option(
        types.seconds(), 5.0, _TIMES, "Log a request that runs longer, once, with its stack; 0 is off.", off=0.0
    )
    boot_timeout: float = _option(types.seconds(zero=False), 60.0, _TIMES, "Limit for the application to load.")
    drain_timeout: float = _option(
        types.seconds(), 30.0, _TIMES, "Limit for running requests to end when a worker stops."
    )
    shutdown_delay: float = _option(types.seconds(), 0.0, _TIMES, "Keep accepting for so long after a stop signal.")
    max_line: int = _option(types.size(1), 8 << 10, _LIMITS, "Maximum length of a request line; longer: 414.")
    max_headers: int = _option(types.size(1), 32 << 10, _LIMITS, "Maximum size of a request's head; larger: 431.")
    max_fields: int = _option(types.count(1), 100, _LIMITS, "Maximum number of header fields; more: 431.")
    max_body: int = _option(types.size(1), 1 << 20, _LIMITS, "Maximum size of a request body; larger: 413.")
    max_connections: int | str = _option(
        types.count(1, auto=True),
        "auto",
        _LIMITS,
        "Maximum number of connections of a worker; at the limit the longest idle one is closed for a new one."
        " auto: as many as the limit of open files (RLIMIT_NOFILE) allows.",
    )
    max_connections_per_client: int = _option(
        types.count(0),
        0,
        _LIMITS,
        "Maximum number of connections of one client address (IPv6: /64) to a worker; 0 is off.",
    )
    max_request_rate: int = _option(
        types.count(0, 10**6),
        0,
        _LIMITS,
        "Maximum number of requests a second of one client address (IPv6: /64), over all workers; more: 429. 0 is off.",
    )
    min_body_rate: int = _option(
        types.size(0),
        240,
        _LIMITS,
        "Minimum rate of a body in bytes a second, after 10 s; slower: 408, or the answer is cut off. 0 is off.",
    )
    max_requests: int = _option(types.count(0), 0, _LIMITS, "Replace a worker after so many requests; 0 is off.", off=0)
    max_requests_jitter: int = _option(
        types.count(0), 0, _LIMITS, "Vary max-requests at random by up to so many.", off=0
    )
    max_lifetime: float = _option(
        types.seconds(), 0.0, _LIMITS, "Replace a worker of this age in seconds; 0 is off.", off=0.0
    )
    max_memory: int = _option(
        types.size(0), 0, _LIMITS, "Replace a worker that uses more private memory; 0 is off.", off=0
    )
    certfile: str | tuple[str, ...] | None = _option(
        types.paths(),
        None,
        _TLS,
        "Certificate chain (PEM); turns TLS on. Repeatable: clients get the one for the name they ask for, else the"
        " first.",
    )
    keyfile: str | tuple[str, ...] | None = _option(
        types.paths(),
        None,
        _TLS,
        "Private key (PEM), one for each certfile, in their order; none if the certfiles hold their keys.",
    )
    cert_watch: bool = _option(
        types.flag(),
        False,
        _TLS,
        "Take on certificate files when they change, without a reload.",
        off=False,
    )
    tls_profile: str = _option(
        types.choice("modern", "intermediate"),
        "intermediate",
        _TLS,
        "Versions and ciphers as Mozilla recommends them: modern is TLS 1.3 alone.",
    )
    client_ca: str | None = _option(
        types.path(optional=True), None, _TLS, "Certificates (PEM) of the authorities that sign clients' certificates."
    )
    client_cert: str = _option(
        types.choice("none", "optional", "required"), "none", _TLS, "Whether to ask clients for a certificate."
    )
    client_crl: str | None = _option(
        types.path(optional=True),
        None,
        _TLS,
        "Revocation lists (PEM) of those authorities: one for each authority of a client's chain.",
    )
    https_redirect: bool = _option(
        types.flag(), False, _TLS, "Redirect requests that come by http to https (308).", off=False
    )
    https_redirect_except: str | None = _option(
        types.regex(), None, _TLS, "Do not redirect where the path matches this, as a health check's."
    )
    hsts: int | None = _option(
        types.count(0, 2**31 - 1),
        None,
        _TLS,
        "Have browsers use https only for so many seconds (Strict-Transport-Security): 31536000 is a year. 0 has them"
        " forget it.",
    )
    acme: tuple[str, ...] = _option(
        names.host_names(),
        (),
        _TLS,
        "Get a certificate for this host name from an ACME directory, and renew it; repeatable. Needs a listener of"
        " http:// that the directory can reach at port 80, and one of https://. You agree to the directory's terms.",
        off=(),
    )
    acme_email: str | None = _option(
        names.email(), None, _TLS, "Address at which the directory may reach you about the certificate."
    )
    acme_directory: str = _option(
        names.https_url(),
        "https://acme-v02.api.letsencrypt.org/directory",
        _TLS,
        "URL of the ACME directory: Let's Encrypt, unless you say otherwise.",
    )
    acme_ca: str | None = _option(
        types.path(optional=True),
        None,
        _TLS,
        "Certificates (PEM) of the authorities that the directory's own certificate is verified by. Default: the usual"
        " ones.",
    )
    access_log: str = _option(
        types.path("-", "off"), "-", _LOGS, "File of the access log, a line for each request; - is stdout."
    )
    access_format: str = _option(
        types.access_format("common", "combined", "json"), "combined", _LOGS, "Format of the access log's lines."
    )
    log_full: str = _option(
        types.choice("drop", "wait"),
        "drop",
        _LOGS,
        "When the access log cannot be written: drop lines and count them, or let workers wait.",
    )
    error_log: str = _option(
        types.path("-"), "-", _LOGS, "File of the error log: errors, and what the server does; - is stderr."
    )
    error_format: str = _option(types.choice("text", "json"), "text", _LOGS, "Format of the error log's records.")
    log_level: str = _option(
        types.choice("debug", "info", "warning", "error", "critical"),
        "info",
        _LOGS,
        "Lowest level that the error log records.",
    )
    admin: str = _option(
        addresses.address("off"), "off", _ADMIN, "Address of the status page, metrics and health checks.", off="off"
    )
    admin_token: str | None = _option(
        types.text("TOKEN"),
        None,
        _ADMIN,
        "Token for changes at the admin address; for reading too if other machines can reach it.",
        secret=True,
    )
    control: str | None = _option(
        types.path("off", optional=True),
        None,
        _ADMIN,
        "Path of the socket for webpy ctl. Default: a socket in the runtime directory.",
        off="off",
    )
    user: str | None = _option(types.text("USER"), None, _SYSTEM, "Run workers as this user.")
    group: str | None = _option(types.text("GROUP"), None, _SYSTEM, "Run workers as this group.")
    umask: int | None = _option(
        types.octal("mask", "022"), None, _SYSTEM, "Mode bits that new files do not get. Default: inherited."
    )
    chdir: str | None = _option(types.path(optional=True, metavar="DIR"), None, _SYSTEM, "Change to this folder first.")
    pidfile: str | None = _option(
        types.path(optional=True), None, _SYSTEM, "Write the master's process id to this file."
    )
    reload: bool = _option(
        types.flag(), False, _SYSTEM, "For development: reload when a source file changes.", off=False
    )

    @property
    def has_certificate(self) -> bool:
        """Whether there is a certificate for https listeners."""
        return self.certfile is not None or bool(self.acme)

    @property
    def usual_scheme(self) -> str:
        """What is spoken at an address that names no scheme."""
        return "https" if self.has_certificate else "http"

    def schemes(self) -> list[str]:
        """Return what is spoken at each address of `bind`."""
        return [addresses.split_scheme(bind)[0] or self.usual_scheme for bind in self.bind]

    def certificate_files(self) -> list[tuple[str, str | None]]:
        """Return each certfile with its keyfile, None if it holds the key itself."""
        certfiles = _several(self.certfile)
        keyfiles: list[str | None] = [*_several(self.keyfile), *[None] * len(certfiles)]
        return list(zip(certfiles, keyfiles, strict=False))

    def worker_count(self) -> int:
        """Return the number of workers; auto counts the CPUs now."""
        return self.workers if isinstance(self.workers, int) else effective_cpus()


def _several(paths: str | tuple[str, ...] | None) -> list[str]:
    if paths is None:
        return []
    return [paths] if isinstance(paths, str) else list(paths)


OPTIONS: dict[str, Option] = {
    field.name: Option(name=field.name, default=field.default, **field.metadata)
    for field in dataclasses.fields(Settings)
}

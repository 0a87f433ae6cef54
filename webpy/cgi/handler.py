"""Owns `CGIHandler`, which answers requests with scripts, and `new`, the routes of a directory of scripts.

The handler finds the script, starts it, reads its header block and passes its output on; it also decides which failure
becomes which status.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.hosting import HostHandler, host_class
from ..framework.response import Result
from ..framework.routing.routes import mount_point
from ..protocol import body_allowed
from .environment import INHERITED, arguments, auth_variables, meta_variables
from .finding import Found, find
from .head import HEAD_BYTES, BadHead, ScriptHead, find_body, parse_head
from .identity import Identity, identity_of
from .output import Body, ClientGone, Output, ScriptDied, ScriptTimeout
from .spawning import Busy, Job, TooLong, start
from .stdin import open_body

__all__ = ["CGIHandler", "new"]

_log = logging.getLogger("webpy.cgi")

#: statuses for system errors that keep a script from being started; 500 for others
_FAILURES = {errno.EACCES: 403, errno.E2BIG: 431, errno.EAGAIN: 503, errno.ENOMEM: 503}


def new(
    directory: str | os.PathLike[str],
    remote: str = "/cgi-bin",
    *,
    handler: type[CGIHandler] | None = None,
    **settings: Any,
) -> dict[str, type[HTTPHandler]]:
    """Return routes that answer every path below `remote` with the scripts of `directory`.

    remote: a path without a slash at its end, percent-encoded, such as "/cgi-bin"; empty for all paths.
    handler: a subclass of `CGIHandler`, for example with mix-ins in front.
    settings: attributes of `CGIHandler` to set, such as `timeout_s=300`.

    Raises TypeError for any other `handler`, ValueError for an invalid `directory` or `remote`, an unknown setting or
    user, or a `timeout_s` that is not above 0.
    """
    base = host_class(handler, CGIHandler, "webpy.cgi.new")
    unknown = sorted(set(settings) - set(CGIHandler.SETTINGS) - set(CGIHandler.renamed_options))
    if unknown:
        raise ValueError(f"cgi: got {unknown[0]!r}, wanted one of {', '.join(CGIHandler.SETTINGS)}")
    if not isinstance(remote, str) or (remote and (not remote.startswith("/") or remote.endswith("/"))):
        raise ValueError(f"cgi: got remote {remote!r}, wanted a path such as '/cgi-bin'")
    if not settings.get("timeout_s", 1.0) > 0:
        raise ValueError(f"cgi: got timeout_s {settings['timeout_s']!r}, wanted seconds, more than 0")
    if not os.path.isdir(directory):
        raise ValueError(f"cgi: got {os.fspath(directory)!r}, wanted a directory")
    remote = mount_point(remote)
    place = {"directory": os.path.abspath(directory), "remote": remote}
    made = type(base.__name__, (base,), {**settings, **place, "__module__": base.__module__, "__doc__": base.__doc__})
    return {re.escape(remote) + r"(/[^?]*)?(?:\?.*)?" if remote else r"(/[^?]*)(?:\?.*)?": made}


class CGIHandler(HostHandler):
    """Answers every method with the script that the path names. `new` makes a subclass for each directory.

    The settings are attributes. A subclass may override `environ`. `self.groups[0]` is the path behind `remote`.
    """

    SETTINGS: ClassVar[tuple[str, ...]] = (
        "check",
        "document_root",
        "environment",
        "indexed",
        "max_scripts",
        "timeout_s",
        "user",
    )

    renamed_options: ClassVar[Mapping[str, str]] = {"most": "max_scripts"}
    decodes_path = True
    any_method = True

    directory: str = "."
    """The directory of the scripts: an absolute path."""
    remote: str = ""
    """The path of the scripts' URLs, up to the "/" before a script's name."""
    document_root: str | None = None
    """What PATH_TRANSLATED begins with; None is the directory that `directory` is in."""
    environment: ClassVar[Mapping[str, str]] = {}
    """Variables for every script, beside CGI's own."""
    timeout_s: float = 60.0
    """The longest time without output: until the header block is complete, then between pieces; `math.inf` is off."""
    max_scripts: int = 64
    """How many scripts may run at the same time in one worker."""
    user: str | None = "nobody"
    """The name of the user who runs the scripts if the worker runs as root; None for root."""
    indexed: bool = False
    """Whether a query without "=" becomes the script's arguments (RFC 3875 section 4.4)."""
    check: bool = False
    """Whether an exit status other than 0 is a failure even after the script has answered."""

    _identity: ClassVar[Identity | None] = None
    _found: Found | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._identity = identity_of(cls.user) if cls.user is not None and os.geteuid() == 0 else None

    def check_continue(self) -> bool | None:
        goes_on = super().check_continue()
        if goes_on is not False:
            self.find()
        return goes_on

    def respond(self) -> Result:
        found = self.find()
        output = self._start(found)
        try:
            head, first = self._read_head(output)
            if not body_allowed(head.status, self.request.method):
                output.end(check=self.check)
        except (ScriptTimeout, ClientGone, ScriptDied, BadHead) as error:
            output.close()
            raise self._failure(error) from None
        except BaseException:
            output.close()
            raise
        self.take_fields(head.fields)
        if not body_allowed(head.status, self.request.method):
            return head.status, head.reason, iter(())
        return head.status, head.reason, Body(output, first, head.length, self._failure, check=self.check)

    def find(self) -> Found:
        """Return the script that the path names. Raises HTTPError: 403, 404."""
        if self._found is None:
            self._found = find(os.fsencode(self.directory), self.groups[0] or "")
        return self._found

    def environ(self, found: Found, length: int | None) -> dict[str, str]:
        """Return the script's environment. length: of the body in bytes, None if the request has none."""
        root = os.fsencode(self.document_root or os.path.dirname(self.directory))
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        variables = meta_variables(self.request, found, self.remote, root.rstrip(b"/"), length)
        user = getattr(self, "auth", None)
        if isinstance(user, str):
            variables |= auth_variables(self.request, user)
        return {"PATH": os.defpath, **inherited, **self.environment, **variables}

    # -- to the script -----------------------------------------------------------------------------------------------

    def _start(self, found: Found) -> Output:
        request = self.request
        identity = self._identity if os.geteuid() == 0 else None  # loaded as root, the worker may run as another user
        owner = None if identity is None else (identity[0], identity[1])
        try:
            with open_body(request, owner) as (stdin, length):
                words = arguments(request) if self.indexed else []
                variables = [os.fsencode(f"{name}={value}") for name, value in self.environ(found, length).items()]
                job = Job(found.path, [found.path, *words], variables, os.path.dirname(found.path), identity)
                process = start(job, stdin, self.max_scripts)
        except HTTPError:  # the body is incomplete
            raise
        except Busy as error:
            self._say(" was not started: %s", error, logging.WARNING)
            raise HTTPError(503, headers={"Retry-After": "1"}) from None
        except TooLong as error:
            self._say(" was not started: %s", error, logging.WARNING)
            raise HTTPError(431) from None
        except OSError as error:
            self._say(" cannot be started: %s", error)
            raise HTTPError(503) from None
        return Output(process, self.timeout_s, lambda: request.client_gone, lambda line: self._say(": %s", line))

    # -- from the script ---------------------------------------------------------------------------------------------

    def _read_head(self, output: Output) -> tuple[ScriptHead, bytes]:
        """Return the script's header block, and the bytes of its body that were read with it."""
        data = b""
        give_up = time.monotonic() + self.timeout_s
        while (at := find_body(data)) < 0 and len(data) <= HEAD_BYTES:
            piece = output.read(give_up - time.monotonic())
            if not piece:
                self._refuse_end(output)
            data += piece
        if not 0 <= at <= HEAD_BYTES:
            raise BadHead(f"it is longer than {HEAD_BYTES} bytes")
        return parse_head(data[:at]), data[at:]

    def _refuse_end(self, output: Output) -> NoReturn:
        """Raise for a script whose output ended before its header block was complete. Raises HTTPError, ScriptDied."""
        failure = output.wait_for_end().failure
        if failure is None:
            raise ScriptDied(f"{output.describe()} before its header block was complete")
        at = {"run": "", "user": f" as {self.user}", "directory": " in its directory"}.get(failure.stage, "")
        hint = ""
        if failure.errno == errno.ENOENT:
            hint = ", or its interpreter"
        elif failure.errno == errno.EACCES and os.geteuid() == 0 and self.user is not None:
            hint = f": {self.user} must be let into each directory above it, and run it"
        self._say(f" cannot be run{at}: %s{hint}", os.strerror(failure.errno))
        raise HTTPError(_FAILURES.get(failure.errno, 500))

    def _failure(self, error: Exception) -> HTTPError:
        """Log the failure of a script and return the exception to raise for it."""
        match error:
            case ClientGone():
                return HTTPError(499, status_message="Client Closed Request")
            case ScriptTimeout():
                self._say(" wrote nothing for %g s and was ended", self.timeout_s)
                return HTTPError(504)
            case BadHead():
                self._say(" wrote a malformed header block: %s", error)
                return HTTPError(502)
            case _:
                self._say(" failed: %s", error)
                return HTTPError(500)

    def _say(self, text: str, value: object, level: int = logging.ERROR) -> None:
        name = os.fsdecode(self.find().path)
        _log.log(level, f"%s{text}", name if name.isprintable() else ascii(name), value)

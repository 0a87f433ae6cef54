"""Files of users: `htpasswd(path)` and `htdigest(path)`, read again when they change.

Owns their format, their hashes and when they are read. Knows no requests; the schemes call it, from any thread.

    htpasswd -cB site.htpasswd ann          bcrypt (pip install 'webpy[auth]'); -s for {SHA}
    htdigest -c site.htdigest "my notes" ann

An MD5 line of htdigest has 32 hexadecimal digits; one of 64, as lighttpd writes them, is SHA-256. Every check looks at
the file's times and size (2 µs), so that a change counts for all workers at once. bcrypt is slow by design: right
passwords are cached, as keyed hashes and until the file changes, so that only the first request of each user waits. A
name that is not in the file takes as long as the most expensive hash in it; so does a wrong password, if all hashes
have the same cost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any, Generic, TypeVar

__all__ = ["ALGORITHMS", "HTDigest", "HTPasswd", "digest_of", "htdigest", "htpasswd"]

ALGORITHMS: Mapping[str, Callable[[bytes], Any]] = {
    "SHA-256": hashlib.sha256,
    "MD5": partial(hashlib.md5, usedforsecurity=False),  # a FIPS build of OpenSSL has it for nothing else
}
"""The algorithms of RFC 7616 section 6.1 that are offered, the best first, each with its hash function."""

_BCRYPT = re.compile(rb"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_BCRYPT_BYTES = 72  # bcrypt uses no more; its Python package refuses longer passwords, and htpasswd cut them off here
_MAX_CACHED = 1024  # right passwords of one file
_SETTLED_NS = 100_000_000  # a file younger than this may change again without a change of its times
_SHA_BYTES = 20

T = TypeVar("T")


class _File(Generic[T]):
    """What `parse` made of a file, parsed again when the file has changed. Raises OSError, and what `parse` raises."""

    def __init__(self, path: str | os.PathLike[str], parse: Callable[[bytes], T]) -> None:
        self.path = os.path.abspath(path)
        self._parse = parse
        self._kept: tuple[Any, bytes, T] | None = None  # the file's mark, what stood there, what it was made into
        self.read()

    def read(self) -> T:
        """Return what was parsed, after reading the file again if it has changed. Raises OSError, ValueError."""
        kept = self._kept
        if kept is not None and kept[0] == _mark(os.stat(self.path)):
            return kept[2]
        with open(self.path, "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read()
        if kept is not None and kept[1] == data:
            value = kept[2]
        else:
            try:
                value = self._parse(data)
            except ValueError as error:
                raise ValueError(f"{self.path}: {error}") from None
        settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS
        self._kept = (_mark(status) if settled else None, data, value)
        return value


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _lines(data: bytes, parts: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield number and fields of every line that is not blank or a comment. Raises ValueError that names the line."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith(b"#"):
            fields = line.strip().split(b":")
            if len(fields) < parts:
                raise ValueError(f"line {number}: wanted {parts} fields with a colon between, got {len(fields)}")
            yield number, fields


class _Passwords:
    """One state of an htpasswd file."""

    def __init__(self, data: bytes) -> None:
        self.hashes: dict[bytes, bytes] = {}
        self.slow = b""  # the most expensive bcrypt hash, to spend as much time on a user who is not there
        self.right: dict[bytes, None] = {}  # keyed hashes of passwords that were right
        for number, (user, value, *_) in _lines(data, 2):
            if _BCRYPT.fullmatch(value):
                self.slow = max(self.slow, value, key=_cost)
            elif not value.startswith(b"{SHA}") or len(_unbase64(value[5:])) != _SHA_BYTES:
                raise ValueError(f"line {number}: unknown hash; wanted bcrypt (htpasswd -B) or {{SHA}} (htpasswd -s)")
            self.hashes.setdefault(user, value)
        if self.slow:
            _bcrypt()


class HTPasswd:
    """The users of the htpasswd file at `path`.

    Raises OSError if it cannot be read, ValueError that names the line if it is not such a file, and ImportError if it
    holds bcrypt hashes and the package is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = _File(path, _Passwords)
        self._key = secrets.token_bytes(32)

    def check(self, user: str, password: str, realm: str = "") -> bool:
        """Return True if it is the user's password. `realm` counts in `HTDigest` only. Raises as the constructor."""
        table = self._file.read()
        name, secret = _utf8(user), _utf8(password)
        value = table.hashes.get(name, b"")
        fast = hashlib.sha1(secret, usedforsecurity=False).digest()  # for every user: it takes time too
        if value.startswith(b"{SHA}") and hmac.compare_digest(fast, _unbase64(value[5:])):
            return True
        if not table.slow:
            return False
        proof = hmac.digest(self._key, len(name).to_bytes(4, "big") + name + secret, "sha256")
        if proof in table.right:
            return True
        known = value.startswith(b"$")
        right = _bcrypt().checkpw(secret[:_BCRYPT_BYTES], value if known else table.slow)
        if not right or not known:
            return False
        if len(table.right) >= _MAX_CACHED:
            table.right.clear()
        table.right[proof] = None
        return True


class _Digests:
    """One state of an htdigest file."""

    def __init__(self, data: bytes) -> None:
        self.hashes: dict[tuple[bytes, bytes, str], str] = {}
        users: dict[bytes, dict[bytes, set[str]]] = {}
        by_length = {ALGORITHMS[name](b"").digest_size * 2: name for name in ALGORITHMS}
        for number, (user, *realm, value) in _lines(data, 3):
            algorithm = by_length.get(len(value))
            if algorithm is None or not re.fullmatch(rb"[0-9a-fA-F]+", value):
                raise ValueError(f"line {number}: unknown hash; wanted 32 (MD5) or 64 (SHA-256) hexadecimal digits")
            where = b":".join(realm)  # a realm may hold colons
            self.hashes.setdefault((user, where, algorithm), value.decode().lower())
            users.setdefault(where, {}).setdefault(user, set()).add(algorithm)
        self.algorithms = {
            where: set.intersection(*each.values()) or set.union(*each.values()) for where, each in users.items()
        }


class HTDigest:
    """The users of the htdigest file at `path`. Raises OSError, and ValueError that names the bad line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = _File(path, _Digests)

    def ha1(self, user: str, realm: str, algorithm: str) -> str | None:
        """Return H(user:realm:password) in hexadecimal, None if the file does not have it."""
        return self._file.read().hashes.get((_utf8(user), _utf8(realm), algorithm))

    def algorithms(self, realm: str) -> set[str]:
        """Return the algorithms that all users of the realm have hashes of; if there is none, those that any has."""
        return self._file.read().algorithms.get(_utf8(realm), set())

    def check(self, user: str, password: str, realm: str) -> bool:
        """Return True if it is the user's password; for Basic with the same file as Digest."""
        for algorithm in ALGORITHMS:
            known = self.ha1(user, realm, algorithm)
            wanted = digest_of(algorithm, f"{user}:{realm}:{password}")
            if known is not None:
                return hmac.compare_digest(known, wanted)
        return False


def htpasswd(path: str | os.PathLike[str]) -> HTPasswd:
    """Return the users of an htpasswd file: see `HTPasswd`."""
    return HTPasswd(path)


def htdigest(path: str | os.PathLike[str]) -> HTDigest:
    """Return the users of an htdigest file: see `HTDigest`."""
    return HTDigest(path)


def digest_of(algorithm: str, text: str) -> str:
    """Return the hash of a text in UTF-8, in hexadecimal."""
    value: str = ALGORITHMS[algorithm](_utf8(text)).hexdigest()
    return value


def _bcrypt() -> ModuleType:
    try:
        import bcrypt
    except ImportError as error:
        raise ImportError("bcrypt hashes need the package bcrypt: pip install 'webpy[auth]'") from error
    return bcrypt


def _cost(value: bytes) -> int:
    """Return the base-2 logarithm of a bcrypt hash's rounds, 0 for an empty hash."""
    return int(value[4:6] or 0)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unbase64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""

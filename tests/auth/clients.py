"""The clients of the tests: curl, and credentials written field by field after the text of the RFCs."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess

from tests.server import Answer

__all__ = ["basic", "challenges", "curl", "proof", "sha", "status"]


def curl(*arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1")


def status(*arguments: str) -> int:
    return int(curl("-o", os.devnull, "-w", "%{http_code}", *arguments))


def sha(password: str) -> str:
    """Return a line as `htpasswd -s` writes it."""
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def challenges(answer: Answer) -> list[dict[str, str]]:
    """Return the challenges of the Digest scheme, each as a mapping with unquoted values."""
    found = []
    for field in answer.headers.get_all("WWW-Authenticate") or []:
        if field.startswith("Digest "):
            pairs = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s"]+))', field)
            found.append({name: re.sub(r"\\(.)", r"\1", one or other) for name, one, other in pairs})
    return found


def proof(
    challenge: dict[str, str],
    uri: str,
    /,
    *,
    user: str = "ann",
    password: str = "sesame",
    count: int = 1,
    method: str = "GET",
    ha1: str | None = None,
    **changes: str | None,
) -> dict[str, str]:
    """Return an Authorization field of RFC 7616 section 3.4; `changes` are made after the proof, None removes one."""
    hash_ = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[challenge["algorithm"]]

    def h(data: bytes) -> bytes:
        return hash_(data).hexdigest().encode()

    realm, nonce = challenge["realm"].encode("latin-1"), challenge["nonce"].encode()
    a1 = ha1.encode() if ha1 is not None else h(user.encode() + b":" + realm + b":" + password.encode())
    a2 = h(f"{method}:{uri}".encode())
    nc = f"{count:08x}"
    fields: dict[str, str | None] = {
        "username": user.encode().decode("latin-1"),
        "realm": challenge["realm"],
        "nonce": challenge["nonce"],
        "uri": uri,
        "response": h(b":".join([a1, nonce, nc.encode(), b"0a4f113b", b"auth", a2])).decode(),
        "algorithm": challenge["algorithm"],
        "qop": "auth",
        "nc": nc,
        "cnonce": "0a4f113b",
    }
    fields |= changes
    bare = {"algorithm", "qop", "nc", "username*"}
    parts = []
    for name, value in fields.items():
        if value is not None:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f"{name}={value}" if name in bare else f'{name}="{escaped}"')
    return {"Authorization": "Digest " + ", ".join(parts)}

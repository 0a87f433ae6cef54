"""Owns the rows of bodies: uploads from 20 KB to 100 MB, a POST of JSON, answers of 10 MB sent in pieces."""

from __future__ import annotations

from .loads import row

__all__ = ["ROWS"]

ALL = ("webpy", "nginx", "granian", "gunicorn", "uvicorn", "bjoern", "fastwsgi", "cheroot", "waitress")
LARGE = ("webpy", "nginx", "granian", "gunicorn", "uvicorn", "bjoern")
DROPPED = "nginx reads the body and drops it; the others pass it to the handler, which "
ROWS = (
    row(
        "post",
        "POST of 20 KB (64 clients)",
        ALL,
        "/post",
        script="post.lua",
        note=DROPPED + "answers with its length.",
    ),
    row("json", "POST of 1 KB of JSON, answered with JSON (64 clients)", ALL[:1] + ALL[2:], "/json", script="json.lua"),
    row(
        "upload-1m",
        "POST of 1 MB (16 clients)",
        LARGE,
        "/upload",
        clients=16,
        script="post.lua",
        argument=1 << 20,
        note=DROPPED + "reads it in pieces of 64 KB.",
    ),
    row(
        "upload-100m",
        "POST of 100 MB (4 clients)",
        LARGE,
        "/upload",
        clients=4,
        script="post.lua",
        argument=100 << 20,
        at_least_s=3.0,
        warm_up_s=1.5,
        note=DROPPED + "reads it in pieces of 64 KB.",
        compared=("cpu_us_low", "private_mb"),
        quick=False,
    ),
    row(
        "pieces",
        "An answer of 10 MB in pieces of 64 KB (16 clients)",
        ("webpy", "granian", "gunicorn", "uvicorn", "bjoern"),
        f"/pieces/{10 << 20}",
        clients=16,
        note="Without a Content-Length, so in chunks.",
    ),
)

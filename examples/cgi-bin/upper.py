#!/usr/bin/env python3
"""Answers with the request's body in capitals, or with 400 if there is no body."""

import os
import sys

length = int(os.environ.get("CONTENT_LENGTH") or 0)
body = sys.stdin.buffer.read(length)
if not body:
    print("Status: 400 Body Wanted\nContent-Type: text/plain\n\nPOST me some text")
else:
    print("Content-Type: text/plain; charset=utf-8\n", flush=True)
    sys.stdout.buffer.write(body.decode("utf-8", "replace").upper().encode())

"""A file server: public files with listings, and an inbox that clients may change with PUT and DELETE.

webpy serve examples/files.py --max-body 64M

The folders `public` and `inbox` are made in the current one, or in the folder that the environment's FILES names. Open
http://127.0.0.1:8000/ in a browser, or:

curl -I http://127.0.0.1:8000/hello.txt                               ETag, Last-Modified, Accept-Ranges
curl -r 0-4 http://127.0.0.1:8000/hello.txt                           a part; curl -C - -O continues a download
curl -H 'Accept: application/json' 'http://127.0.0.1:8000/?sort=time&order=desc'
curl -T notes.txt http://127.0.0.1:8000/inbox/                        201, or 204 when it replaces one
curl -T notes.txt -H 'If-None-Match: *' http://127.0.0.1:8000/inbox/  412, as the file exists already
curl -X DELETE http://127.0.0.1:8000/inbox/notes.txt

Every client that reaches this server may change the inbox: before you open it to others, put `webpy.auth` before it
(see examples/login_basic.py, and the argument `handler` of `webpy.file.new`).
"""

from __future__ import annotations

import os
from pathlib import Path

import webpy.file

folder = Path(os.environ.get("FILES", "."))
public, inbox = folder / "public", folder / "inbox"
if not public.exists():
    public.mkdir(parents=True)
    (public / "hello.txt").write_text("Hello, files!\n")
inbox.mkdir(exist_ok=True)

routes = {
    **webpy.file.new(inbox, "/inbox", modify=True, dir_index=True),
    # precompressed: if there is a hello.txt.gz, it is sent to clients that accept gzip
    **webpy.file.new(public, dir_index=True, precompressed=True, cache_control="no-cache"),
}

"""An upload form as a page: the files are stored in the folder `uploads`, or in that of UPLOADS in the environment.

webpy serve examples/upload.py --max-body 64M

Open http://127.0.0.1:8000/ in a browser, or:

curl -F title=Holiday -F files=@one.jpg -F files=@two.jpg http://127.0.0.1:8000/
curl -OJ http://127.0.0.1:8000/files/0123456789abcdef   a file, always as a download, never as a page of this site

Needs the parser of multipart forms: pip install 'webpy[form]'
"""

from __future__ import annotations

import html
import json
import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote

import webpy as web
from webpy.form import FormHandler, FormLimits

folder = Path(os.environ.get("UPLOADS", "uploads"))
folder.mkdir(exist_ok=True)

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Upload</title>
<h1>Upload</h1>
<form method="post" enctype="multipart/form-data">
<p><label>Title <input name="title"></label>
<p><label>Files <input type="file" name="files" multiple required></label>
<p><button>Send</button>
</form>
<ul>
{items}
</ul>
</html>
"""


def keep(upload, title):
    """Store a file under a name that no other worker uses, and return that; it appears when it is complete."""
    key = secrets.token_hex(8)
    about = {"name": upload["filename"], "title": title}
    (folder / f"{key}.json").write_text(json.dumps(about), encoding="utf-8")
    part = folder / f"{key}.part"
    with part.open("xb") as kept:
        shutil.copyfileobj(upload["file"], kept)
    part.rename(folder / key)
    return key


def said(key):
    return json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))


def item(path):
    about = said(path.name)
    return f'<li><a href="/files/{path.name}">{html.escape(about["name"])}</a> {html.escape(about["title"])}'


class Upload(FormHandler):
    form_limits = FormLimits(parts=20, file_bytes=32 << 20)

    def do_get(self):
        kept = sorted((path for path in folder.iterdir() if not path.suffix), key=lambda path: path.stat().st_mtime_ns)
        self.response.headers.set("Content-Type", "text/html; charset=utf-8")
        return 200, PAGE.format(items="\n".join(map(item, kept)))

    def do_post(self):
        form = self.request.body
        files = [upload for upload in form.getlist("files") if isinstance(upload, dict) and upload["filename"]]
        title = form.get("title", "")
        if not files or not isinstance(title, str):
            raise web.HTTPError(400, "wanted a title and at least one file\n")
        lines = [f"/files/{keep(upload, title)} {upload['filename']} ({upload['length']} bytes)\n" for upload in files]
        self.response.headers.set("Location", "/")  # so that reloading the page does not send the form again
        return 303, "".join(lines)


class Download(web.HTTPHandler):
    def do_get(self):
        key = self.groups[0]
        try:
            file = (folder / key).open("rb")
        except FileNotFoundError:
            raise web.HTTPError(404) from None
        headers = self.response.headers
        headers.set("Content-Type", "application/octet-stream")
        headers.set("Content-Disposition", f"attachment; filename*=UTF-8''{quote(said(key)['name'], safe='')}")
        headers.set("X-Content-Type-Options", "nosniff")
        return 200, file


routes = {"/": Upload, "/files/([0-9a-f]{16})": Download}

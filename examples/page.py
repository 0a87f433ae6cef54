"""Pages from templates, in which what a client sends is text and never markup; and errors as pages.

webpy serve examples/page.py

http://127.0.0.1:8000/                              a greeting
http://127.0.0.1:8000/?name=%3Cb%3EMe%3C%2Fb%3E     the same to "<b>Me</b>", shown as it was typed
http://127.0.0.1:8000/nowhere                       404, in the style of the site
"""

from __future__ import annotations

import webpy as web
from webpy import page, query

# A site with more than one page has these in files, named by `page_directory` and `page_file`.
FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 2em auto; max-width: 30em; }}</style>
</head>
<body>
%s
</body>
</html>
"""


class Greeting(query.QueryMixIn, page.PageHandler):
    page_template = (
        FRAME % '<h1>Hello, {name}!</h1>\n<form><input name="name" value="{name}"> <button>Greet</button></form>'
    )

    def page_values(self):
        return {"title": "Greeting", "name": self.query.get("name", "World")}


class Broken(web.HTTPHandler):
    def do_get(self):
        return 200, f"{1 / 0}"


class Error(page.PageErrorHandler):
    page_template = FRAME % '<h1>{code}</h1>\n<p>{message}</p>\n<p><a href="/">Home</a></p>'

    def page_values(self):
        return {**super().page_values(), "title": self.error.status_message}


routes = {**query.new("/", Greeting), "/broken": Broken}
error_routes = page.new_error(handler=Error)

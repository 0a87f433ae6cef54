"""A page with URLs that have hashes in them, and the files they stand for, in a folder that holds `static`."""

import webpy.file
from webpy.compression import CompressionMixIn
from webpy.page import PageHandler

static_url = webpy.file.StaticURLs("static", "/static")


class Page(PageHandler):
    page_template = "{static_url[app.css]} {static_url[sub/icons.svg#home]}"

    def page_values(self):
        return {"static_url": static_url}


class Compressed(CompressionMixIn, webpy.file.PathHandler):
    pass


routes = {
    "/page": Page,
    **webpy.file.new("static", "/static", immutable=True, precompressed=True),
    **webpy.file.new("static", "/plain", cache_control="max-age=60"),
    **webpy.file.new("static", "/small", immutable=True, handler=Compressed),
    **webpy.file.new("static", "/built", immutable=r"-[0-9A-Za-z]{8}\.js$", cache_control="max-age=60"),
}

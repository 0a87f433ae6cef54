"""Every kind of handler of webpy.file on one server, for folders in the current one."""

import webpy.file
from webpy.file.opening import Tree


class Icon(webpy.file.FileHandler):
    file_path = "site/one.svg"
    cache_control = "max-age=60"


class Lost(webpy.file.FileHandler):
    file_path = "site/none"


class Folder(webpy.file.FileHandler):
    file_path = "site"


class Marked(webpy.file.PathHandler):
    def respond(self):
        self.response.headers.set("X-Marked", "yes")
        self.response.headers.set("Vary", "Origin")
        return super().respond()


class OfEach(webpy.file.FileHandler):
    """Sends another file to another client."""

    def find(self):
        self.file_path = f"site/{self.request.headers['X-Name']}"
        return super().find()


class OfHost(webpy.file.PathHandler):
    """Serves another folder to another client."""

    file_local = "site"

    def do_get(self):
        if self.request.headers["X-Name"] == "sub":
            self.tree = Tree("site/sub")
        return super().do_get()


routes = {
    "/icon": Icon,
    "/lost": Lost,
    "/folder": Folder,
    **webpy.file.new("site", "/marked", handler=Marked),
    **webpy.file.new("site", "/both", handler=Marked, precompressed=True),
    "/mine/(.*)": OfEach,
    "/host(/.*)": OfHost,
    **webpy.file.new("site", "/plain", charset=None, types={".TXT": "text/x-notes"}, index_files="start.html"),
    **webpy.file.new("site", "/packed", precompressed=True, cache_control="public, max-age=3600"),
    **webpy.file.new("inbox", "/inbox/", modify=True, dir_index=True),
    **webpy.file.new("elsewhere/current", "/current"),
    **webpy.file.new("site", dir_index=True),
}

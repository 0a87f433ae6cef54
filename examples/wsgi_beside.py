"""A WSGI application below a path, beside handlers of webpy's own.

    webpy serve examples/wsgi_beside.py

    curl http://127.0.0.1:8000/health
    curl http://127.0.0.1:8000/old/some/page
"""

import webpy as web
import webpy.wsgi


def old_application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"the old application at {environ['PATH_INFO']}\n".encode("latin-1")]


class Health(web.HTTPHandler):
    def do_get(self):
        return 200, "healthy\n"


routes = {
    "/health": Health,
    **webpy.wsgi.new(old_application, "/old"),
}

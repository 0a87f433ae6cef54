"""CherryPy's eighth tutorial: a page with a script that uses the resource of the seventh.

python examples/cherrypy/tut08_ajax.py
then open http://127.0.0.1:8080/ in a browser
"""

import os
import random
import string

import webpy.objects as cherrypy

HERE = os.path.abspath(os.path.dirname(__file__))


class StringGenerator:
    @cherrypy.expose
    def index(self):
        return open(os.path.join(HERE, "page.html"))


@cherrypy.expose
class StringGeneratorWebService:
    @cherrypy.tools.accept(media="text/plain")
    def GET(self):
        return cherrypy.session["mystring"]

    def POST(self, length=8):
        some_string = "".join(random.sample(string.hexdigits, int(length)))
        cherrypy.session["mystring"] = some_string
        return some_string

    def PUT(self, another_string):
        cherrypy.session["mystring"] = another_string

    def DELETE(self):
        cherrypy.session.pop("mystring", None)


if __name__ == "__main__":
    conf = {
        "/": {"tools.sessions.on": True, "tools.staticdir.root": HERE},
        "/generator": {
            "request.dispatch": cherrypy.dispatch.MethodDispatcher(),
            "tools.response_headers.on": True,
            "tools.response_headers.headers": [("Content-Type", "text/plain")],
        },
        "/static": {"tools.staticdir.on": True, "tools.staticdir.dir": "static"},
    }
    webapp = StringGenerator()
    webapp.generator = StringGeneratorWebService()
    cherrypy.quickstart(webapp, "/", conf)

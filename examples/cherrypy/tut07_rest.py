"""CherryPy's seventh tutorial: a resource with a method for each method of HTTP.

python examples/cherrypy/tut07_rest.py
curl -c jar -b jar -d length=6 http://127.0.0.1:8080/
curl -c jar -b jar http://127.0.0.1:8080/
curl -c jar -b jar -X PUT -d another_string=hello http://127.0.0.1:8080/
curl -c jar -b jar -X DELETE http://127.0.0.1:8080/
"""

import random
import string

import webpy.objects as cherrypy


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
        "/": {
            "request.dispatch": cherrypy.dispatch.MethodDispatcher(),
            "tools.sessions.on": True,
            "tools.response_headers.on": True,
            "tools.response_headers.headers": [("Content-Type", "text/plain")],
        }
    }
    cherrypy.quickstart(StringGeneratorWebService(), "/", conf)

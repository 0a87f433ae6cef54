"""CherryPy's first tutorial: one page. Only the import line differs from a script for CherryPy itself.

python examples/cherrypy/tut01_basic.py
curl http://127.0.0.1:8080/
"""

import webpy.objects as cherrypy


class HelloWorld:
    @cherrypy.expose
    def index(self):
        return "Hello world!"


if __name__ == "__main__":
    cherrypy.quickstart(HelloWorld())

"""CherryPy's third tutorial: the query becomes keyword arguments; one that does not fit the method is a 404.

python examples/cherrypy/tut03_parameters.py
curl 'http://127.0.0.1:8080/generate?length=16'
curl -i 'http://127.0.0.1:8080/generate?size=16'
"""

import random
import string

import webpy.objects as cherrypy


class StringGenerator:
    @cherrypy.expose
    def index(self):
        return "Hello world!"

    @cherrypy.expose
    def generate(self, length=8):
        return "".join(random.sample(string.hexdigits, int(length)))


if __name__ == "__main__":
    cherrypy.quickstart(StringGenerator())

"""CherryPy's second tutorial: each exposed method is a page, and its name is the path.

python examples/cherrypy/tut02_urls.py
curl http://127.0.0.1:8080/generate
"""

import random
import string

import webpy.objects as cherrypy


class StringGenerator:
    @cherrypy.expose
    def index(self):
        return "Hello world!"

    @cherrypy.expose
    def generate(self):
        return "".join(random.sample(string.hexdigits, 8))


if __name__ == "__main__":
    cherrypy.quickstart(StringGenerator())

"""CherryPy's sixth tutorial: the pages get a style sheet, which is served from a folder.

python examples/cherrypy/tut06_static.py
curl -i http://127.0.0.1:8080/static/css/style.css
"""

import os
import random
import string

import webpy.objects as cherrypy


class StringGenerator:
    @cherrypy.expose
    def index(self):
        return """<!DOCTYPE html>
<html>
  <head>
    <title>Strings</title>
    <link href="/static/css/style.css" rel="stylesheet">
  </head>
  <body>
    <form method="get" action="generate">
      <input type="text" value="8" name="length">
      <button type="submit">Give it now!</button>
    </form>
  </body>
</html>
"""

    @cherrypy.expose
    def generate(self, length=8):
        some_string = "".join(random.sample(string.hexdigits, int(length)))
        cherrypy.session["mystring"] = some_string
        return some_string

    @cherrypy.expose
    def display(self):
        return cherrypy.session["mystring"]


if __name__ == "__main__":
    conf = {
        "/": {
            "tools.sessions.on": True,
            "tools.staticdir.root": os.path.abspath(os.path.dirname(__file__)),
        },
        "/static": {"tools.staticdir.on": True, "tools.staticdir.dir": "static"},
    }
    cherrypy.quickstart(StringGenerator(), "/", conf)

"""CherryPy's fifth tutorial: a session keeps what was generated for a visitor, whichever worker answers.

python examples/cherrypy/tut05_sessions.py
curl -c jar -b jar http://127.0.0.1:8080/generate
curl -c jar -b jar http://127.0.0.1:8080/display
"""

import random
import string

import webpy.objects as cherrypy


class StringGenerator:
    @cherrypy.expose
    def index(self):
        return """<!DOCTYPE html>
<html>
  <head><title>Strings</title></head>
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
    conf = {"/": {"tools.sessions.on": True}}
    cherrypy.quickstart(StringGenerator(), "/", conf)

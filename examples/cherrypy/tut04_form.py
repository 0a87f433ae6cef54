"""CherryPy's fourth tutorial: a form, whose fields become keyword arguments too.

python examples/cherrypy/tut04_form.py
curl http://127.0.0.1:8080/
curl -d length=12 http://127.0.0.1:8080/generate
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
        return "".join(random.sample(string.hexdigits, int(length)))


if __name__ == "__main__":
    cherrypy.quickstart(StringGenerator())

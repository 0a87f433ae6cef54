"""A guest book whose page runs only its own script, and that takes entries from its own form only.

webpy serve examples/guarded.py
curl -i http://127.0.0.1:8000/
curl -i http://127.0.0.1:8000/nowhere
curl -i -d 'entry=hello' http://127.0.0.1:8000/
curl -i -d 'entry=spam' -H 'Origin: https://evil.example.org' http://127.0.0.1:8000/

The second has the fields too, although no handler answers it; the last is refused. (`pip install 'webpy[page]'`)
"""

from __future__ import annotations

from webpy import store
from webpy.csrf import CSRFMixIn
from webpy.form import FormMixIn
from webpy.page import PageHandler
from webpy.redirect import RedirectMixIn
from webpy.security import SecurityMixIn

PAGE = """<!DOCTYPE html>
<title>Guest book</title>
<form method="post">
  <input type="hidden" name="csrf_token" value="{{ handler.csrf_token }}">
  <input name="entry"> <button>Sign</button>
</form>
{% for entry in entries %}<p>{{ entry }}</p>{% endfor %}
<p id="count"></p>
<script nonce="{{ handler.csp_nonce }}">
  document.getElementById("count").textContent = document.querySelectorAll("p").length - 1 + " entries";
</script>
"""

book = store.open("sqlite:///book.sqlite3")


class Book(FormMixIn, RedirectMixIn, PageHandler):
    page_engine = "jinja2"
    page_template = PAGE

    def page_values(self):
        return {"entries": [entry.decode() for name, entry in sorted(book.items()) if name.isdigit()]}

    def do_post(self):
        book[f"{book.incr('last'):06}"] = self.request.body["entry"].encode()
        return self.redirect("/")


mixins = (SecurityMixIn, CSRFMixIn)
routes = {"/": Book}

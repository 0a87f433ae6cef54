"""One resource as JSON, HTML or text, as the client prefers (its Accept field).

webpy serve examples/negotiated.py
curl http://127.0.0.1:8000/weather
curl -H 'Accept: text/html' http://127.0.0.1:8000/weather
curl -H 'Accept: text/*;q=0.5, text/plain' http://127.0.0.1:8000/weather
curl -i -H 'Accept: image/png' http://127.0.0.1:8000/weather        # 406, with a list of the types
"""

from __future__ import annotations

import html
import json

from webpy.negotiation import AcceptMixIn

weather = {"place": "Zürich", "sky": "clear", "degrees": 21}


class Weather(AcceptMixIn):
    def do_get(self):
        chosen = self.accept("application/json", "text/html; charset=utf-8", "text/plain; charset=utf-8")
        if chosen == "application/json":
            return 200, json.dumps(weather)
        if chosen.startswith("text/html"):
            rows = "".join(f"<li>{html.escape(name)}: {html.escape(str(weather[name]))}" for name in weather)
            return 200, f"<!doctype html><title>Weather</title><ul>{rows}</ul>"
        return 200, "".join(f"{name}: {weather[name]}\n" for name in weather)


routes = {"/weather": Weather}

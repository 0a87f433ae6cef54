"""Bodies in JSON (RFC 8259), received and sent: `JSONHandler`; errors in JSON: `JSONErrorHandler`, `new_error()`.

    import webpy as web
    from webpy import json

    class Note(json.JSONHandler):
        json_kind = dict                        # other bodies, such as a list, are answered with 400

        def do_put(self):
            note = self.request.body            # what the JSON stands for: dict, list, str, int, float, bool, None
            title = note['title']               # 400 if it is missing
            size = note.field('size', int)      # 400 if it is not a whole number
            tags = note.field('tags', list, []) # the default if it is missing
            return 200, {'stored': note}        # sent as application/json

    routes = {'/note': Note}
    error_routes = json.new_error()             # {"error": 404, "status": "Not Found"}

Use: subclass `JSONHandler`, or put `JSONMixIn` in front of another handler: `class Note(AuthMixIn, JSONHandler)`.
`JSONErrorHandler` and `JSONErrorMixIn` are the same for error handlers.

Options, class attributes and methods of the handler:

- `json_types`: a regex that the media type of a body has to match; by default application/json and types that end in
  +json. Other bodies, and those without a type, are answered with 415 and `Accept`. (A form of another site cannot send
  such a type; keep it so.)
- `json_required = {"POST", "PUT", "PATCH"}`: the methods that answer 400 if there is no body. With other methods
  `request.body` is then None.
- `json_kind`: the type, or a tuple of types, that `request.body` has to have: dict, list, str and so on; other bodies
  are answered with 400. By default any type is accepted: then `body['title']` of a list is a TypeError, a 500.
- `json_max_depth = 100`: how deep arrays and objects may be nested; deeper ones are answered with 400.
- `json_default(value)`: override it to return what is sent for a value of a type that JSON does not have.

Where RFC 8259 leaves a choice, these are answered with 400, which names line and column where it can: NaN, Infinity and
numbers beyond the range of a float, such as 1e999 (section 6; Python's value could not be sent again); integers of more
than Python's 4300 digits; a name that occurs twice in an object (section 4: receivers disagree on which one counts);
half of a surrogate pair (section 8.2); bytes that are not UTF-8 (section 8.1; a byte order mark is ignored). Columns
count characters. A body with a Content-Encoding is answered with 415.

Objects, nested ones too, are dicts of the class `Object`: for a missing name, `note['title']` raises a KeyError that is
answered with 400, which names it (`in`, `get` and `except KeyError` work as always); `field` checks the type as well.

Answers are sent in UTF-8. A value that JSON cannot hold (NaN also) is a 500, and the error log says why. `None` is no
body; bytes, binary streams and iterators of bytes are sent unchanged, with the handler's Content-Type. A Content-Type
that the handler has set stays. A handler with `stream = True` reads its body itself.

Caveats: what the server refuses before it looks for a handler, such as a body over `--max-body`, is answered in plain
text.

`handler` has the handlers, `errors` those of errors, `values` the class of objects, `text` reads and writes JSON.
"""

from __future__ import annotations

from .errors import JSONErrorHandler, JSONErrorMixIn, new_error
from .handler import JSONHandler, JSONMixIn
from .text import dumps, loads
from .values import Object

__all__ = ["JSONErrorHandler", "JSONErrorMixIn", "JSONHandler", "JSONMixIn", "Object", "dumps", "loads", "new_error"]

"""Forms: `request.body` of `application/x-www-form-urlencoded` and `multipart/form-data` as a mapping.

    class Upload(webpy.form.FormHandler):
        form_limits = webpy.form.FormLimits(file_bytes=10 << 20)

        def do_post(self):
            form = self.request.body
            title = form['title']                 # str, the last of several values; 400 if it is missing
            text = form.get('text', '')           # the default if it is missing
            tags = form.getlist('tag')            # all values of a name, in order
            size = form.field('size', int)        # 400 if it is not a number; bool, float, uuid.UUID, any callable
            page = form.field('page', int, 1)     # 1 if it is missing
            photo = form.file('photo')            # a mapping, as form['photo'] is; 400 if it is not a file
            shutil.copyfileobj(photo['file'], somewhere)
            return 200, f"{photo['filename']}: {photo['length']} bytes of {photo['type']}\\n"

Use: subclass `FormHandler`, or put `FormMixIn` in front of another handler. A file has `filename`, `type` (text/plain
if the client sent none), `charset` (utf-8 if the client sent none), `length` in bytes and `file`, a binary file at its
beginning: in memory up to `memory_bytes`, else a temporary file without a name. All files are closed when the handler
is done, also if it raises. If it answers with a `file`, or with an iterable that may read one, they stay open until the
answer is sent. An empty file input has the filename "". A request without a body has an empty form. `request.rfile` is
closed once the form is read.

Options, class attributes of the handler:

- `form_limits`: see `FormLimits`.
- `form_charset = "utf-8"`: the charset of names and values if the form does not say it (by a field `_charset_`, or the
  `charset` of a part).
- `form_only = True`: whether bodies of other types are answered with 415. If not, they are handled as without this
  class.
- `stream = True`: parse while the body arrives, which takes a thread for as long as the client sends, and writes one
  copy to the disk instead of two. (Not for clients that send `Expect: 100-continue`, and not with `--threads 1`.)

Answers: 400, which names the field, if the handler asks for one that is missing (`form[name]` raises a KeyError that is
answered so, while `in`, `get` and `except KeyError` work as always), or that is of another kind than `field` or `file`
wants (`form['photo']['file']` of a client that sent a text is the handler's own TypeError: use `file`). 400 for a
malformed body: broken, cut off, with a missing or bad boundary, with too long headers of a part, or with text that is
not in its charset. 413 over a limit, 415 for other types and for a Content-Encoding (which
`webpy.decompression` removes before). A client that sends `Expect: 100-continue` is refused before it sends its body.
503, and a line in the error log, if the disk has no room for files.

Caveats: `--max-body` (1M) limits the whole request first; raise it for uploads. `filename` is what the client says,
without folders and control characters: it may be long, or empty, or the name of a file that exists. `type` is what the
client says, too. `filename*` is ignored, as RFC 7578 section 4.2 demands, and `Content-Transfer-Encoding` is not
decoded (section 4.7). A handler that wants to keep a file has to copy it. Multipart needs the parser `multipart`: pip
install 'webpy[form]'.

`handler` has the handlers, `reading` makes a form of bytes, `parts` splits bodies into parts, `grammar` has the syntax
of headers and text, `values` the mapping. (RFC 7578; RFC 2046 section 5.1; WHATWG URL, section 5.1.)
"""

from __future__ import annotations

from .handler import FormHandler, FormMixIn
from .reading import FormLimits
from .values import File, Form

__all__ = ["File", "Form", "FormHandler", "FormLimits", "FormMixIn"]

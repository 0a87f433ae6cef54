"""Forms: `request.body` of `application/x-www-form-urlencoded` and `multipart/form-data` as a mapping.

    class Upload(webpy.form.FormHandler):
        form_limits = webpy.form.FormLimits(file_bytes=10 << 20)

        def do_post(self):
            form = self.request.body
            title = form['title']                 # str; of several values the last; 400 if it did not come
            text = form.get('text', '')           # or what to take then
            tags = form.getlist('tag')            # all values of a name, in order
            size = form.field('size', int)        # 400 if it is no number; bool, float, uuid.UUID, any callable
            page = form.field('page', int, 1)     # 1 if it did not come
            photo = form.file('photo')            # a mapping, as form['photo'] is; 400 if it is no file
            shutil.copyfileobj(photo['file'], somewhere)
            return 200, f"{photo['filename']}: {photo['length']} bytes of {photo['type']}\\n"

A file has `filename`, `type` (text/plain unless said), `charset` (utf-8 unless said), `length` in bytes and `file`, a
binary file at its beginning: in memory up to `memory_bytes`, else an unlinked temporary one. All of them are closed
when the handler is done, also when it raises; a handler may answer with a `file` itself, or with an iterable that reads
it: then they live until the answer is sent. A file input left empty has the filename "". A request without a body has
an empty form. `request.rfile` is closed once the form is read.

Options, attributes of the handler:

- `form_limits`: see `FormLimits`.
- `form_charset = "utf-8"`: what names and values are in, when the form does not say so by itself (a field `_charset_`,
  or a part's own `charset`).
- `form_only = True`: other types are answered with 415; if False, their bodies are what they are without this class.
- `stream = True`: parses while the body arrives, in a thread for as long as the client takes: one copy on the disk
  instead of two. (Not for a client that asks first, by `Expect: 100-continue`, nor with `--threads 1`.)

Answers: 400 that names the field where the handler asks for one that did not come: `form[name]` raises a KeyError that
means so, while `in`, `get` and `except KeyError` work as always. 400 too where `field` or `file` find another kind than
they were asked for (`form['photo']['file']` of a client that sent a text is the handler's own TypeError: use `file`).
400 to a body that is no form (broken, cut off, without or with a bad boundary, a part's headers too long, text
that is not in its charset), 413 over a limit, 415 to other types and to a Content-Encoding. A client that asks first is
told before it sends its body. 503, and a line in the error log, when the disk has no room for its files.

Caveats: `--max-body` (1M) bounds the whole request first, so uploads need it raised; its 413 is the server's. A
`filename` is what the client says, less any folders and control characters; it may be of any length, stand for a file
that exists, or be empty. `type` is what the client says too. `filename*` is ignored, as RFC 7578 section 4.2 wants it.
`Content-Transfer-Encoding` is not undone (section 4.7). A handler that keeps a file for later copies it. Multipart
needs the parser `multipart`: pip install 'webpy[form]'.

`handler` has the handlers, `reading` the way from bytes to a form, `parts` takes bodies apart, `grammar` has what its
headers and text may look like, `values` what a form is. (RFC 7578; RFC 2046 section 5.1; WHATWG URL, section 5.1.)
"""

from __future__ import annotations

from .handler import FormHandler, FormMixIn
from .reading import FormLimits
from .values import File, Form

__all__ = ["File", "Form", "FormHandler", "FormLimits", "FormMixIn"]

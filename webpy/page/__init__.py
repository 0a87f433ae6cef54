"""HTML pages from templates, in which text is escaped: `PageHandler`, `PageErrorHandler`, `new_error()`.

    import webpy as web
    from webpy import page

    class Greeting(page.PageHandler):
        page_directory, page_file = 'pages', 'greeting.html'    # <h1>Hello, {name}!</h1>

        def page_values(self):
            return {'name': self.groups['name']}                # <script> becomes &lt;script&gt;

    class Error(page.PageErrorHandler):
        page_directory, page_file = 'pages', 'error.html'       # {code}, {status_message} and {message}

    routes = {'/hello/(?P<name>[^/]+)': Greeting}
    error_routes = page.new_error(handler=Error)

Options, class attributes and methods of both:

- `page_directory = '.'` and `page_file`: the template's file, in UTF-8, read at each request, so that changes show at
  once. The default is `index.html` for a `PageHandler`; an error page needs no file, as it has a plain `page_template`.
- `page_template`: the template itself instead of a file. An error page uses it if `page_file` is empty.
- `page_values()`: override it to return the values of the template's fields. A `PageHandler` without values sends the
  template unchanged.
- `page_format(template)`: override it to fill the template in another way; it returns the whole page.

Templates have the syntax of `str.format`: `{name}`, `{price:.2f}`, `{user[name]}`, and `{{` for a brace, in styles and
scripts also. Every value is formatted and then escaped (`html.escape`, quotes too), unless it is an `HTML`, a str that
is markup already, or has a method `__html__` (as `markupsafe.Markup` has). Methods other than `do_get` call
`render(**values)`, which returns the page with further values: `return 400, self.render(problem='no name')`.

With `page_engine = 'jinja2'` (`pip install 'webpy[page]'`) templates are those of Jinja2: with inheritance, loops,
macros. Everything is escaped there too, in files of any name.

    class Notes(SessionMixIn, page.PageHandler):
        page_engine, page_file = 'jinja2', 'notes.html'         # of the folder templates beside this module

        def page_values(self):
            return {'notes': all_notes()}           # {% for note in notes %}<li>{{ note }}</li>{% endfor %}

- `page_directory = 'templates'`: the folder, relative to that of the module whose class sets it, or sets `page_engine`.
- A template has the values of `page_values()`, and besides `handler` and `request`: `{{ request.path }}`,
  `{{ handler.session['name'] }}`, `{{ handler.auth }}` behind a login, `{{ request.body['title'] }}` of a form.
- `page_environment(environment)`: a class method that is called once; override it to add filters and globals, such as
  `environment.globals['static_url'] = static_url` (`webpy.file.StaticURLs`).
- A name without a value is empty, as is usual there; it is an error with `environment.undefined =
  jinja2.StrictUndefined`, in `page_environment`.
- A worker compiles a template once. Changes show after a reload, as those of code do; with `--reload` that is at once.
- `page_format` is not called. An error page without a file or template of its own has the plain one.

An error in a template is a 500, and the traceback in the error log names the template and the line.

Caveats: escaped text is safe as the text of an element and in a quoted attribute, nowhere else: not in scripts,
styles, or as the address of a link (`javascript:`). A template is code: never take one, or the name of its file,
from a client. A file that is missing, or a field of `str.format` without a value, is a 500, and the error log names it.

Until the next version the options are also understood by their old names, with a DeprecationWarning: `directory`,
`page`, `template`, `values()` and `format(page)`.
"""

from __future__ import annotations

from .errors import PageErrorHandler, new_error
from .filling import HTML, fill
from .handlers import PageHandler

__all__ = ["HTML", "PageErrorHandler", "PageHandler", "fill", "new_error"]

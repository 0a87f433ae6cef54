"""Owns the handlers that read forms and close their files; `reading` does the reading itself."""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.later import Later
from ..framework.order import Rank
from .grammar import brief, is_form, not_a_form
from .reading import FormLimits, FormReader
from .values import Form

if TYPE_CHECKING:
    from ..framework.response import Result

__all__ = ["FormHandler", "FormMixIn"]

_log = logging.getLogger("webpy")


@functools.cache
def _warn_without_parser() -> None:
    """Warn once, while the application is loaded, and not only with the first form that has a file."""
    if importlib.util.find_spec("multipart") is None:
        _log.warning("forms with files are answered with 500, as they need a parser: pip install 'webpy[form]'")


class FormMixIn(HTTPHandler):
    """Put in front of a handler: it makes a form of the body before `do_<method>` runs."""

    mixin_rank = Rank.FORM

    #: the upper bounds of a form
    form_limits = FormLimits()
    #: the charset of names and values, if the form does not say it
    form_charset = "utf-8"
    #: whether other content types are answered with 415; if not, they are handled as without this class
    form_only = True

    _form: Form | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _warn_without_parser()

    def check_continue(self) -> bool | None:
        """Do what `HTTPHandler` does; raises HTTPError 400, 413 or 415 for what the head shows already."""
        goes_on = super().check_continue()  # first, as it may ask for a login
        if goes_on is not False:
            self._reader()
        return goes_on

    def get_body(self) -> bool | None:
        """Read the form into `request.body`, and close `request.rfile`. Raises HTTPError 400, 413, 415 or 503."""
        reader = self._reader()
        if reader is None:
            return super().get_body()
        with self.request.rfile as stream:  # closed, as a body in a file would go on filling the disk
            self._form = self.request.body = reader.read(stream)
        return False

    def _reader(self) -> FormReader | None:
        """Return the reader of this body; None if it is not a form and `form_only` is not set."""
        content_type = self.request.headers.get("Content-Type") or ""
        if not is_form(content_type):
            if not self.form_only:
                return None
            raise not_a_form(content_type)
        coding = self.request.headers.get("Content-Encoding") or "identity"
        if coding.strip().lower() != "identity":
            # RFC 9110 section 15.5.16
            message = f"got Content-Encoding {brief(coding)}, wanted a form without one\n"
            raise HTTPError(415, message, headers={"Accept-Encoding": "identity"})
        length = self.request.head.content_length
        return FormReader(content_type, length, limits=self.form_limits, charset=self.form_charset)

    def respond(self) -> Result:
        """Do what `HTTPHandler` does, then close the form's files; if the body may read them, after it is sent."""
        request = self.request
        head = request.head
        if not head.content_length and not head.chunked:
            request.body = Form()
        elif self.stream and type(self).method_for(request.method) is not None and self.get_body():
            request.body = self.decode(request.rfile.read())
        try:
            result = super().respond()
        except BaseException:
            if self._form is not None:
                self._form.close()
            raise
        form = self._form
        if form is None or not form.has_files:
            return result
        if type(result) is Later:
            return result.then(lambda given: _closing(given, form))
        return _closing(result, form)


class FormHandler(FormMixIn):
    """A handler of forms: see `webpy.form`."""


class _Closing:
    """An iterable body that may read a form's files, which are closed when it is closed."""

    def __init__(self, body: Iterable[bytes], form: Form) -> None:
        self._body = body
        self._form = form

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called by the server when the answer is sent, or cannot be."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._form.close()


def _closing(result: Any, form: Form) -> Any:
    body = result[-1] if isinstance(result, (tuple, list)) and result else None
    if form.owns(body):
        form.close(but=body)  # the server closes what it sends
        return result
    plain = body is None or isinstance(body, (str, bytes, bytearray, memoryview, dict)) or hasattr(body, "read")
    if plain or not isinstance(body, Iterable):
        form.close()
        return result
    return (*result[:-1], _Closing(body, form))

"""Owns the handlers that read forms and close their files; the reading itself is in `reading`."""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
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
    """Tell once, while the application is loaded, rather than with the first form that brings a file."""
    if importlib.util.find_spec("multipart") is None:
        _log.warning("forms with files are answered with 500, as they need a parser: pip install 'webpy[form]'")


class FormMixIn(HTTPHandler):
    """Makes a form of the body before `do_<method>` runs; stands before other handlers in a list of bases."""

    mixin_rank = Rank.FORM

    #: what a form may weigh
    form_limits = FormLimits()
    #: what names and values are in, where the form does not say so
    form_charset = "utf-8"
    #: whether other content types are answered with 415; if not, the body is what it is without this class
    form_only = True

    _form: Form | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _warn_without_parser()

    def check_continue(self) -> bool | None:
        """As of `HTTPHandler`; raises HTTPError 400, 413 or 415 for what the head says already."""
        goes_on = super().check_continue()  # first, as it may ask for a login
        if goes_on is not False:
            self._reader()
        return goes_on

    def get_body(self) -> bool | None:
        """Read the form into `request.body`, and close `request.rfile`; raises HTTPError 400, 413 or 415."""
        reader = self._reader()
        if reader is None:
            return super().get_body()
        with self.request.rfile as stream:  # a body in a file need not fill the disk any longer
            self._form = self.request.body = reader.read(stream)
        return False

    def _reader(self) -> FormReader | None:
        """What reads this body; None for one that is no form and need not be."""
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
        """As of `HTTPHandler`; the form's files are closed after it, or with the answer's body if that reads them."""
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
        return result if form is None or not form.has_files else _closing(result, form)


class FormHandler(FormMixIn):
    """A handler of forms: see `webpy.form`."""


class _Closing:
    """An iterable body that reads a form's files, which are closed after it."""

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

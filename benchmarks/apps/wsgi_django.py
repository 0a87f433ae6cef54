"""Hello as an application of Django, with the middleware that `startproject` lists and needs no database."""

from __future__ import annotations

import django  # type: ignore[import-untyped, import-not-found, unused-ignore]
from django.conf import settings  # type: ignore[import-untyped, import-not-found, unused-ignore]

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a benchmark, which signs nothing",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # type: ignore  # noqa: E402
from django.http import HttpRequest, HttpResponse  # type: ignore  # noqa: E402
from django.urls import path  # type: ignore  # noqa: E402

from benchmarks.apps import work  # noqa: E402

__all__ = ["app", "urlpatterns"]


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(work.HELLO, content_type="text/plain")


urlpatterns = [path("", hello)]
app = get_wsgi_application()

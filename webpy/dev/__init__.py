"""`webpy dev`: serves an application for its developer, on one worker, with reloads and pages for exceptions.

    serving        the master: settings for development, and the server
    application    what a worker does differently: the pages, the request lines, what is printed at the start
    loading        loads TARGET; if that fails, what is served instead
    explanation    who may see a page for an exception, and the answer
    frames         what the page shows of an exception
    page           the page (page.html)
    terminal       what is printed: colours, a line for each request, routes and links

Imported by the command `webpy dev` only: `webpy serve` can reach nothing of it.
"""

from __future__ import annotations

__all__: list[str] = []

"""CGI scripts (RFC 3875): programs of any language that answer requests, one process a request.

    import webpy.cgi

    routes = {**webpy.cgi.new("cgi-bin"), "/": Home}

Then `/cgi-bin/report.py/2026?month=5` runs `cgi-bin/report.py`, if that is a regular file that may be executed, with
PATH_INFO `/2026` and QUERY_STRING `month=5`. Every method goes to the script; no shell is ever between.

`new(directory, remote='/cgi-bin', *, handler=CGIHandler, ...)` gives the routes. Its settings are attributes of
`CGIHandler`:

- `timeout_s` (60): the longest silence, until the header block is whole and then between two pieces of output. A script
  that takes longer is ended, with its process group: SIGTERM, and 1 s later SIGKILL; the client gets 504. Keep it below
  `--request-timeout`, or the worker is replaced.
- `most` (64): scripts that may run at once in one worker; one more gets 503. Each also needs one of the worker's
  `--threads` while it makes the client wait.
- `user` ("nobody"): who runs the scripts when the worker is root; None is root. All other workers' scripts run as the
  worker does.
- `environment` ({}): variables for every script. Of the server's own it gets PATH, LANG, LC_*, TZ and LD_LIBRARY_PATH.
- `document_root`: what PATH_TRANSLATED begins with, by default the directory around `directory`.
- `indexed` (False): a query without "=" becomes the script's arguments (section 4.4). Off, as what a client wrote would
  become options of the script's interpreter; words that begin with "-" are never passed.
- `check` (False): an exit status other than 0 is a failure even of a script that has answered: then the connection is
  broken off. Shell scripts often end so by accident.

    class Private(webpy.auth.BasicAuthMixIn, webpy.cgi.CGIHandler): ...
    routes = webpy.cgi.new("cgi-bin", handler=Private, timeout_s=300)

With a mix-in of `webpy.auth` scripts find REMOTE_USER and AUTH_TYPE (if `auth` is a str); the Authorization field
itself is not passed, nor is `Proxy`, nor are fields whose names hold an underscore. `environ` may be overridden to add
more.

What the client gets:

- The script's Status, fields and body, as the body comes: chunked, unless the script gave Content-Length, of which no
  more is sent. Location without Status is 302; one that begins with "/" too: the client is sent there, the server does
  not follow it itself (section 6.2.2). Fields about the connection are the server's and are dropped.
- 404 for what is not there, and for names that lead astray: encoded slashes, hidden files, symbolic links. 403
  for what is no script: a directory, a device, a file that is not executable.
- 500 for a script that cannot be run, as its interpreter is missing, and for one that ends before its header block is
  whole; 503 when there are no processes or descriptors left. One that is killed by a signal later has its connection
  broken off.
- 502 for a header block that is none, or is longer than 32 KB: scripts that write the status line themselves (`nph-`)
  are not supported.

Standard input is the request's body, whole, as a file: the worker gathers it first (`--max-body`, 413), chunked or not,
so CONTENT_LENGTH is always known, and neither a slow client nor a script that does not read holds anybody up. Standard
error goes to the error log: at most 100 lines a run, 1000 bytes of each.

A client that goes away ends the script, within a second or two; one that closes its sending half only (`nc -N`) counts
as gone when the script is silent for a second. HEAD, 204 and 304 have no body: the script then has 3 s to end.
Processes that a script leaves in the background with their output redirected live on; one that keeps its standard
output holds the answer open.

Each worker starts its scripts through a small process of its own (`spawner`, started with the first script), so that a
worker that is killed leaves no script behind. Works on any number of workers; scripts that run when a worker drains go
on. Linux only.
"""

from __future__ import annotations

from .handler import CGIHandler, new

__all__ = ["CGIHandler", "new"]

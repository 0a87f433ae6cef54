"""CGI scripts (RFC 3875): programs in any language that answer requests, with one process for each request.

    import webpy.cgi

    routes = {**webpy.cgi.new("cgi-bin"), "/": Home}

Then `/cgi-bin/report.py/2026?month=5` runs `cgi-bin/report.py`, if that is an executable regular file, with PATH_INFO
`/2026` and QUERY_STRING `month=5`. Requests of every method go to the script. No shell is involved.

`new(directory, remote='/cgi-bin', *, handler=CGIHandler, ...)` returns the routes. Its settings are attributes of
`CGIHandler`:

- `timeout_s` (60): the longest time without output, until the header block is complete and then between two pieces of
  output. After that, the script's process group is ended (SIGTERM, and SIGKILL 1 s later), and the client gets 504.
  Keep it below `--request-timeout`, or the worker is replaced.
- `max_scripts` (64): how many scripts may run at the same time in one worker; further requests get 503. Each also needs
  one of the worker's `--threads` while the client waits for it.
- `user` ("nobody"): the user who runs the scripts if the worker runs as root; None for root. Workers that do not run as
  root run scripts as their own user.
- `environment` ({}): variables for every script. Of the server's own variables, scripts get PATH, LANG, LC_*, TZ and
  LD_LIBRARY_PATH.
- `document_root`: what PATH_TRANSLATED begins with; by default the directory that `directory` is in.
- `indexed` (False): a query without "=" becomes the script's arguments (section 4.4). It is off because the client's
  text would become options of the script's interpreter; words that begin with "-" are never passed.
- `check` (False): an exit status other than 0 is a failure even after the script has answered: the connection is
  aborted. Shell scripts often end with such a status by accident.

To put mix-ins in front of the scripts, pass a subclass of `CGIHandler`:

    class Private(webpy.auth.BasicAuthMixIn, webpy.cgi.CGIHandler): ...
    routes = webpy.cgi.new("cgi-bin", handler=Private, timeout_s=300)

Behind a mix-in of `webpy.auth`, scripts find REMOTE_USER and AUTH_TYPE (if `auth` is a str). The fields Authorization
and Proxy are not passed, nor are fields with an underscore in their names. Override `environ` to add variables.

What the client gets:

- The script's Status, fields and body. The body is sent while it is produced: chunked, or up to the script's own
  Content-Length. Location without Status means 302, also if it begins with "/": the client is redirected, and the
  server does not follow the redirect itself (section 6.2.2). Fields about the connection are dropped.
- 404 if there is no such file, and for encoded slashes, hidden files and symbolic links; 403 for a directory, a device,
  or a file that is not executable.
- 500 for a script that cannot be run, for example because its interpreter is missing, and for one that ends before its
  header block is complete; 503 if there are no processes or descriptors left. If a script is killed by a signal after
  that, its connection is aborted.
- 502 for a malformed header block, or one longer than 32 KB. Scripts that write the status line themselves (`nph-`) are
  not supported.

Standard input is the request's body as a file. The worker receives it completely before (413 above `--max-body`),
chunked or not, so CONTENT_LENGTH is always set, and neither a slow client nor a script that does not read blocks the
other. Standard error goes to the error log: at most 100 lines for each run, and 1000 bytes of each line.

If the client goes away, the script is ended within a second or two. A client that only closes its sending half
(`nc -N`) counts as gone if the script writes nothing for a second. Answers to HEAD, 204 and 304 have no body: the
script then has 3 s to end. Processes that a script leaves in the background with their output redirected continue to
run; one that keeps the script's standard output keeps the answer open.

Each worker starts its scripts through a small process of its own (`spawner`, started with the first script), so that no
script outlives a worker that is killed. Scripts that run when a worker drains continue. Linux only.
"""

from __future__ import annotations

from .handler import CGIHandler, new

__all__ = ["CGIHandler", "new"]

"""Accounts in plain files, each changed by one request at a time and read by many, across all workers.

webpy serve examples/atomic.py
curl -X POST -d 5 http://127.0.0.1:8000/accounts/ann
seq 100 | xargs -P 20 -I{} curl -s -X POST -d 1 http://127.0.0.1:8000/accounts/ann > /dev/null
curl http://127.0.0.1:8000/accounts/ann         # 105: no payment was lost

Without `atomic = True`, two requests would sometimes read the same sum, and one payment would be lost.
"""

from __future__ import annotations

import os
import pathlib

from webpy import HTTPError, HTTPHandler

folder = pathlib.Path("accounts")
folder.mkdir(exist_ok=True)


class Account(HTTPHandler):
    atomic = True  # a lock for each path: several GETs share it, a POST has it alone

    def file(self):
        return folder / self.groups["name"]

    def do_get(self):
        try:
            return 200, self.file().read_text() + "\n"
        except FileNotFoundError:
            raise HTTPError(404) from None

    def do_post(self):
        try:
            paid = int(self.request.body)
        except ValueError:
            raise HTTPError(400, "wanted a whole number\n") from None
        file = self.file()
        sum_now = (int(file.read_text()) if file.exists() else 0) + paid
        new = file.with_suffix(".new")  # renamed when it is complete: a killed worker leaves the old file
        new.write_text(str(sum_now))
        os.replace(new, file)
        return 200, f"{sum_now}\n"


routes = {r"/accounts/(?P<name>[a-z]{1,20})": Account}

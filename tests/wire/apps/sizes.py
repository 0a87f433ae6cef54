"""The end of one file, as many bytes of it as the path says; and how many descriptors the worker has open."""

import os

import webpy

WHOLE_BYTES = 3 << 20
FD = os.memfd_create("whole")
os.write(FD, bytes(range(251)) * (WHOLE_BYTES // 251 + 1))
os.truncate(FD, WHOLE_BYTES)


class End(webpy.HTTPHandler):
    def do_get(self):
        file = open(f"/proc/self/fd/{FD}", "rb", buffering=0 if self.groups[1] == "raw" else -1)
        file.seek(WHOLE_BYTES - int(self.groups[0]))
        return 200, file


class Open(webpy.HTTPHandler):
    def do_get(self):
        return 200, str(len(os.listdir("/proc/self/fd")))


class Aside(webpy.HTTPHandler):
    def do_get(self):
        return 200, "aside"


routes = {"/end/([0-9]+)/(raw|buffered)": End, "/open": Open, "/aside/.*": Aside}

"""Handlers of the standard library that use what `http.server` documents, one path each."""

import http.server
import os
import threading
import time

import webpy.stdlib


class Corners(http.server.BaseHTTPRequestHandler):
    server_version = "Corners/1"
    error_message_format = "<p>%(code)d %(message)s: %(explain)s</p>"
    error_content_type = "text/x-error"

    def do_GET(self):
        name = self.path.strip("/").partition("?")[0] or "plain"
        getattr(self, "get_" + name, self.missing)()

    def missing(self):
        self.send_error(404, "Not here", "try another")

    def say(self, text, code=200, **fields):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for field, value in fields.items():
            self.send_header(field.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def get_plain(self):
        self.say("plain")

    def get_told(self):
        lines = [
            self.raw_requestline.decode().strip(),
            self.requestline,
            self.command,
            self.path,
            self.request_version,
            self.client_address[0],
            self.address_string(),
            str(self.server.server_address[0]),
            str(self.server.server_port == self.server.server_address[1]),
            self.headers["X-Asked"],
            "|".join(self.headers.get_all("X-Twice", [])),
            type(self.headers).__name__,
            self.connection.getpeername()[0],
            str(self.request is self.connection),
            self.version_string().partition(" ")[0],
            str(self.date_time_string(0)),
        ]
        self.say("\n".join(lines))

    def get_unframed(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"no length ")
        self.wfile.write(b"at all")

    def get_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"one ", b"two"):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def get_interim(self):
        self.send_response_only(103)
        self.end_headers()
        self.say("after 103")

    def get_short(self):
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"short")

    def get_long(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"long and more")

    def get_not_modified(self):
        self.send_response(304)
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(b"a body")

    def get_switches(self):
        self.send_response(101)
        self.end_headers()
        self.wfile.write(b"\x81")

    def get_two_lengths(self):
        self.send_response(200)
        self.send_header("Content-Length", "4x")
        self.end_headers()
        self.wfile.write(b"what")

    def get_exits(self):
        raise SystemExit(3)

    def get_sent_file(self):
        self.send_response(200)
        self.end_headers()
        with open(__file__, "rb") as file:
            self.wfile.flush()
            self.connection.sendfile(file)

    def get_reason(self):
        self.send_response(299, "As I like it")
        self.end_headers()

    def get_ticks(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"%d\n" % number)
            self.wfile.flush()
            open(f"tick{number}", "w").close()
            while not os.path.exists(f"go{number}"):
                time.sleep(0.005)

    def get_endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65536))
        except OSError as error:
            with open("left", "a") as file:
                file.write(f"{type(error).__name__}\n")
            raise

    def get_large(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x" * 50_000)

    def get_raises(self):
        raise KeyError("raised")

    def get_raises_late(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 500_000)
        raise KeyError("raised late")

    def get_raises_after(self):
        self.say("whole")
        raise KeyError("raised after")

    def get_nothing(self):
        pass

    def get_garbage(self):
        self.wfile.write(b"garbage\r\n\r\n")

    def get_messages(self):
        self.log_message("message %s", "one\ntwo")
        self.log_error("error %d", 7)
        self.say("said")

    def get_thread(self):
        self.say(threading.current_thread().name)

    def get_status_line_only(self):
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.say(f"{len(body)} {sum(body)} {self.rfile.read(1)!r}", 201)

    def do_PATCH(self):
        self.say("not read")

    def do_PUT(self):
        lines = [self.rfile.readline() for _ in range(2)]
        self.say(repr(lines))


class Persistent(Corners):
    """HTTP/1.1, and an own `handle_expect_100`."""

    protocol_version = "HTTP/1.1"

    def handle_expect_100(self):
        with open("asked", "a") as file:
            file.write(self.path + "\n")
        if self.path == "/refused":
            self.send_error(417, "Keep it")
            return False
        return super().handle_expect_100()


class Wrapped(http.server.BaseHTTPRequestHandler):
    """Overrides the methods around a request, and those that log."""

    wbufsize = 1000
    timeout = 5

    def setup(self):
        super().setup()
        self.steps = ["setup"]

    def handle_one_request(self):
        self.steps.append("handle")
        super().handle_one_request()

    def finish(self):
        self.steps.append("finish")
        self.wfile.flush()
        with open("steps", "w") as file:
            file.write(" ".join(self.steps))
        super().finish()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"y" * 3000)

    def log_message(self, format, *args):
        with open("own.log", "a") as file:
            file.write(format % args + "\n")


class Folder(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, directory=os.path.dirname(__file__), **kwargs)


class Scripts(webpy.stdlib.CGIHTTPRequestHandler):
    """Scripts in one more folder beside the usual ones."""

    cgi_directories = (*webpy.stdlib.CGIHTTPRequestHandler.cgi_directories, "/own")


handler = Corners

"""An image service: POST to /images stores an image under a number of its own; GET, PUT and DELETE it there.

webpy serve examples/images.py --max-body 8M

curl -i --data-binary @photo.jpg http://127.0.0.1:8000/images       201, Location: /images/001
curl -O http://127.0.0.1:8000/images/001                            or open it in a browser
curl http://127.0.0.1:8000/images                                   the paths of all images
curl -T other.png http://127.0.0.1:8000/images/001
curl -X DELETE http://127.0.0.1:8000/images/001
"""

from __future__ import annotations

import webpy as web
import webpy.store

# In webpy-store.sqlite3 in the state directory, or at the URL in the environment's WEBPY_STORE.
store = webpy.store.open()
PREFIX = "images/"
KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def kind(image):
    """Return the media type that the bytes show, whatever the client calls them; None if they are not an image."""
    return next((kind for magic, kind in KINDS.items() if image.startswith(magic)), None)


class ImageHandler(web.HTTPHandler):
    def image(self):
        if kind(self.request.body) is None:
            accept = ", ".join(sorted(set(KINDS.values())))
            raise web.HTTPError(415, f"wanted one of {accept}\n", {"Accept": accept})
        return self.request.body


class Images(ImageHandler):
    def do_get(self):
        numbers = sorted(int(key.removeprefix(PREFIX)) for key in store if key.startswith(PREFIX))
        return 200, "".join(f"/images/{number:03}\n" for number in numbers)

    def do_post(self):
        image = self.image()
        number = f"{store.incr('images'):03}"  # no two workers get the same number, and none is used again
        store[PREFIX + number] = image
        self.response.headers.set("Location", f"/images/{number}")
        return 201, f"/images/{number}\n"


class Image(ImageHandler):
    @property
    def key(self):
        return PREFIX + self.groups[0]

    def do_get(self):
        image = store.get(self.key)
        if image is None:
            raise web.HTTPError(404)
        self.response.headers.set("Content-Type", kind(image))
        self.response.headers.set("X-Content-Type-Options", "nosniff")
        return 200, image

    def do_put(self):
        image, old = self.image(), store.get(self.key)
        # Replace only an image that exists: one that another client has just deleted stays deleted.
        while old is not None and not store.cas(self.key, old, image):
            old = store.get(self.key)
        if old is None:
            raise web.HTTPError(404)
        return 204, None

    def do_delete(self):
        try:
            del store[self.key]
        except KeyError:
            raise web.HTTPError(404) from None
        return 204, None


routes = {"/images": Images, "/images/([0-9]{3}|[1-9][0-9]{3,8})": Image}

"""The same small application for every kind of server (webpy, WSGI, ASGI), and the work they share."""

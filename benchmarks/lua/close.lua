-- Each request asks for the end of its connection, so that the next one needs a connection of its own.
wrk.headers["Connection"] = "close"

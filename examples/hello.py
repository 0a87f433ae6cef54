"""web.py's own example, with its import line changed and nothing else.

WEBPY_WORKERS=1 python examples/hello.py

curl -u me:secret -X PUT -d hi http://localhost:8080/greeting
curl -u me:secret http://localhost:8080/greeting

`saved` is a dict of the worker it is in, hence the one worker. `notes.py` shares what it keeps among all workers.
"""

import webpy as web

saved = {}

class Handler(web.HTTPHandler):
    def do_get(self):
        if not self.request.headers.get('Authorization'):
            auth_headers = web.HTTPHeaders()
            auth_headers.set('WWW-Authenticate', 'Any')
            raise web.HTTPError(401, headers=auth_headers)

        body = saved.get(self.groups[0])

        if not body:
            raise web.HTTPError(404)

        return 200, body

    def do_put(self):
        saved[self.groups[0]] = self.request.body

        return 200, 'Accepted'

routes = { '/(.*)': Handler }

httpd = web.HTTPServer(('localhost', 8080), routes)
httpd.start()

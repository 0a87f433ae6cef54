"""Applications of real frameworks, without changes to their code, on two workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.server import ROOT, Server

EXAMPLES = ROOT / "examples"
Serve = Callable[..., Server]

pytestmark = pytest.mark.slow

FALCON = """
import falcon

class Things:
    def on_get(self, request, response, number):
        if number > 9:
            raise falcon.HTTPNotFound(description='no such thing')
        response.media = {'number': number, 'twice': request.get_param_as_int('times', default=2) * number}

    def on_put(self, request, response, number):
        response.media = request.get_media()
        response.status = falcon.HTTP_201

app = falcon.App()
app.add_route('/things/{number:int}', Things())
"""

BOTTLE = """
import bottle

app = bottle.Bottle()

@app.get('/hello/<name>')
def hello(name):
    return bottle.template('Hello, {{name}}!', name=name)

@app.post('/upload')
def upload():
    sent = bottle.request.files['file']
    return {'name': sent.filename, 'length': len(sent.file.read())}

@app.get('/source')
def source():
    return bottle.static_file('bottled.py', root='.')
"""

CHERRYPY = """
import cherrypy

class Root:
    @cherrypy.expose
    def index(self, name='world'):
        return 'Hello, ' + name

    @cherrypy.expose
    def count(self):
        cherrypy.session['n'] = cherrypy.session.get('n', 0) + 1
        return str(cherrypy.session['n'])

    @cherrypy.expose
    @cherrypy.config(**{'response.stream': True})
    def stream(self):
        yield 'a'
        yield 'b'

cherrypy.config.update({'environment': 'embedded'})
app = cherrypy.Application(Root(), '', {'/': {'tools.sessions.on': True, 'tools.sessions.storage_type': 'file',
                                              'tools.sessions.storage_path': '.'}})
"""

DJANGO_SETTINGS = """
SECRET_KEY = 'of a test'
DEBUG = False
ALLOWED_HOSTS = ['127.0.0.1']
ROOT_URLCONF = 'site_urls'
STATIC_URL = '/static/'
USE_TZ = True
INSTALLED_APPS = ['django.contrib.admin', 'django.contrib.auth', 'django.contrib.contenttypes',
                  'django.contrib.sessions', 'django.contrib.messages']
MIDDLEWARE = ['django.contrib.sessions.middleware.SessionMiddleware', 'django.middleware.common.CommonMiddleware',
              'django.middleware.csrf.CsrfViewMiddleware', 'django.contrib.auth.middleware.AuthenticationMiddleware',
              'django.contrib.messages.middleware.MessageMiddleware']
TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True, 'OPTIONS': {
    'context_processors': ['django.template.context_processors.request', 'django.contrib.auth.context_processors.auth',
                           'django.contrib.messages.context_processors.messages']}}]
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'site.sqlite3'}}
DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'
"""
DJANGO_URLS = """
from django.contrib import admin
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

def body(request):
    return HttpResponse(str(len(request.body)))

def stream(request):
    return StreamingHttpResponse(str(number) + '\\n' for number in range(1000))

body.csrf_exempt = True
urlpatterns = [path('admin/', admin.site.urls), path('body', body), path('stream', stream)]
"""
DJANGO_WSGI = """
import os
from django.core.wsgi import get_wsgi_application

os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'
application = get_wsgi_application()
"""


def test_flask_example(serve: Serve, tmp_path: Path) -> None:
    server = serve(EXAMPLES / "wsgi_flask.py", "--workers", "2")
    with requests.Session() as client:
        assert client.get(f"{server.url}/").text == "Hello, World!\n"
        assert client.get(f"{server.url}/greet/Zoë").text == "Hello, Zoë!\n"
        sent = client.post(f"{server.url}/form", data={"name": "Ann", "age": "7"})
        assert sent.json() == {"age": "7", "name": "Ann"}
        sent = client.post(f"{server.url}/upload", files={"file": ("a.txt", b"x" * 300_000)})
        assert sent.json() == {"length": 300_000, "name": "a.txt"}
        assert client.get(f"{server.url}/missing").status_code == 404
        assert client.get(f"{server.url}/stream").text == "".join(f"{number}\n" for number in range(100))
    assert server.stop() == 0


def test_flask_streams_with_its_context(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "streams.py").write_text(
        "import flask, time\n"
        "app = flask.Flask(__name__)\n"
        "@app.route('/<name>')\n"
        "def index(name):\n"
        "    @flask.stream_with_context\n"
        "    def pieces():\n"
        "        for _ in range(50):\n"
        "            yield f'{flask.request.path} {flask.request.args[\"q\"]} {flask.g.get(\"seen\")};'\n"
        "            flask.g.seen = name\n"
        "            time.sleep(0.0005)\n"
        "    return pieces()\n"
        "@app.route('/none')\n"
        "def none(): return str(flask.has_request_context()) + str(flask.g.get('seen'))\n"
    )
    server = serve("streams:app", "--workers", "1")

    def ask(name: str) -> None:
        for number in range(5):
            told = server.get(f"/{name}?q={number}").body.decode()
            assert told == f"/{name} {number} None;" + f"/{name} {number} {name};" * 49
            assert server.get("/none").body == b"TrueNone"

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(ask, name) for name in "abcd"]:
            future.result()
    assert not [line for line in server.errors if "raised" in line or "broke off" in line]


def test_an_application_beside_handlers(serve: Serve) -> None:
    server = serve(EXAMPLES / "wsgi_beside.py", "--workers", "2")
    assert server.get("/health").body == b"healthy\n"
    assert server.get("/old/some/page?x=1").body == b"the old application at /some/page\n"
    assert server.get("/older").status == 404
    assert server.stop() == 0


def test_falcon(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(FALCON)
    server = serve("service:app", "--workers", "2")
    with requests.Session() as client:
        assert client.get(f"{server.url}/things/3?times=5").json() == {"number": 3, "twice": 15}
        assert client.get(f"{server.url}/things/10").json()["description"] == "no such thing"
        as_json = {"Content-Type": "application/json"}
        for body in (b'{"a": [1, 2]}', iter([b'{"a": ', b"[1, 2]}"])):  # the second is chunked
            put = client.put(f"{server.url}/things/1", data=body, headers=as_json)
            assert (put.status_code, put.json()) == (201, {"a": [1, 2]})
    assert server.stop() == 0


def test_bottle(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "bottled.py").write_text(BOTTLE)
    server = serve(tmp_path / "bottled.py", "--workers", "2")
    with requests.Session() as client:
        assert client.get(f"{server.url}/hello/<you>").text == "Hello, &lt;you&gt;!"
        sent = client.post(f"{server.url}/upload", files={"file": ("b.bin", bytes(1000))})
        assert sent.json() == {"name": "b.bin", "length": 1000}
        whole = client.get(f"{server.url}/source")
        assert whole.text == BOTTLE
        part = client.get(f"{server.url}/source", headers={"Range": "bytes=1-6"})
        assert (part.status_code, part.text) == (206, "import")
        since = {"If-Modified-Since": whole.headers["Last-Modified"]}
        assert client.get(f"{server.url}/source", headers=since).status_code == 304
    assert server.stop() == 0


def test_cherrypy_as_a_wsgi_application(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "cherry.py").write_text(CHERRYPY)
    server = serve("cherry:app", "--kind", "wsgi", "--workers", "2")
    with requests.Session() as client:
        assert client.get(f"{server.url}/?name=you").text == "Hello, you"
        assert client.get(f"{server.url}/?wrong=1").status_code == 404
        assert client.get(f"{server.url}/stream").text == "ab"
        assert [client.get(f"{server.url}/count").text for _ in range(4)] == ["1", "2", "3", "4"]
    assert server.stop() == 0


def test_django_and_its_admin(serve: Serve, tmp_path: Path) -> None:
    for name, text in (("settings", DJANGO_SETTINGS), ("urls", DJANGO_URLS), ("wsgi", DJANGO_WSGI)):
        (tmp_path / f"site_{name}.py").write_text(text)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": str(tmp_path)}
    user = ["createsuperuser", "--no-input", "--username", "root", "--email", "root@example.org"]
    for command in (["migrate", "-v", "0"], user):
        done = subprocess.run(
            [sys.executable, "-m", "django", *command],
            cwd=tmp_path,
            env=environment | {"DJANGO_SUPERUSER_PASSWORD": "secret"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    server = serve("site_wsgi:application", "--workers", "2")
    with requests.Session() as client:
        page = client.get(f"{server.url}/admin/")
        assert page.url.endswith("/admin/login/?next=/admin/") and "Django administration" in page.text

        def post(page: requests.Response, **values: str) -> requests.Response:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            assert token
            values["csrfmiddlewaretoken"] = token[1]
            return client.post(page.url, data=values, headers={"Referer": page.url})

        refused = post(page, username="root", password="wrong", next="/admin/")
        assert "Please enter the correct username" in refused.text
        inside = post(page, username="root", password="secret", next="/admin/")
        assert "Site administration" in inside.text
        form = client.get(f"{server.url}/admin/auth/group/add/")
        added = post(form, name="Editors & <friends>")
        assert "was added successfully" in added.text and "Editors &amp; &lt;friends&gt;" in added.text
        for _ in range(6):  # from either worker
            assert "Editors &amp; &lt;friends&gt;" in client.get(f"{server.url}/admin/auth/group/").text
        assert client.get(f"{server.url}/nowhere").status_code == 404
        assert client.post(f"{server.url}/body", data=iter([b"ab", b"c"])).text == "3"
        assert client.get(f"{server.url}/stream").text.split() == [str(number) for number in range(1000)]
    assert not [line for line in server.errors if "Traceback" in line]
    assert server.stop() == 0

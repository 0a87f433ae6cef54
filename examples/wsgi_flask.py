"""A Flask application, on every core, without a change. It needs `pip install flask`.

    webpy serve examples/wsgi_flask.py

    curl http://127.0.0.1:8000/greet/you
    curl -d name=Ann -d age=7 http://127.0.0.1:8000/form
    curl -F file=@README.md http://127.0.0.1:8000/upload
"""

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello, World!\n"


@app.get("/greet/<name>")
def greet(name):
    return f"Hello, {name}!\n", {"Content-Type": "text/plain; charset=utf-8"}


@app.post("/form")
def form():
    return dict(request.form)


@app.post("/upload")
def upload():
    sent = request.files["file"]
    return {"name": sent.filename, "length": len(sent.read())}


@app.get("/stream")
def stream():
    return (f"{number}\n" for number in range(100))

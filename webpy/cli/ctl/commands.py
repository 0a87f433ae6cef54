"""`webpy ctl`: sends commands to a running server over its control socket.

Owns the arguments, what is printed, and the exit statuses: 0 done, 1 refused or failed (with the reason on stderr), 2
wrong usage or no server. Knows nothing of how the server does it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .figures import age, count, one_line, printable, size

if TYPE_CHECKING:
    from ...supervisor.control.client import ControlClient

__all__ = ["ctl"]

_FAILED = 1
_NO_SERVER = 2
_LIST_S = 2.0  # for each of several servers to describe itself
_MAX_CERTIFICATES = 10  # that are listed
_ANSWER_S = 10.0  # for replies that the master sends at once; the machine may be busy


@click.group(short_help="Command a running server.")
@click.option("--control", metavar="PATH", help="Path of the control socket.  [default: in the runtime directory]")
@click.pass_context
def ctl(context: click.Context, control: str | None) -> None:
    """Command a running server.

    Without --control, the server is the one that WEBPY_CONTROL or webpy.toml names, else the only one that runs.

    Exit status: 0 done, 1 refused or failed, 2 wrong usage or no server.
    """
    context.obj = control


@ctl.command(short_help="Print the status of the server.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
@click.pass_obj
def status(control: str | None, as_json: bool) -> None:
    """Print the status of the server and its workers."""
    now = _ask(control, "status")["status"]
    click.echo(json.dumps(now, indent=2) if as_json else _summary(now))


@ctl.command(short_help="Say whether the server is ready for requests.")
@click.pass_obj
def health(control: str | None) -> None:
    """Say whether the server is ready for requests: for health checks of containers and scripts.

    Exit status: 0 ready (at least one worker accepts connections, and the server is neither starting nor stopping), 1
    not ready, 2 wrong usage or no server.
    """
    from ...admin.readiness import unready

    now = _ask(control, "status")["status"]
    if why := unready(now):
        _end(f"not ready: {why}", _FAILED)
    accepting = sum(worker["state"] == "ready" for worker in now["workers"])
    click.echo(f"ready: {accepting} of {now['wanted']} workers accept connections")


@ctl.command(short_help="Show the status live: workers, rates, longest requests.")
@click.pass_obj
def top(control: str | None) -> None:
    """Show the status live: workers, rates, and the longest running requests. Needs `webpy[top]`.

    Keys: q quits; c, r, m, l sort the workers by connections, requests a second, memory, longest request, and s by
    slot; the same key again reverses the order.
    """
    try:
        from .top import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        _end("top needs rich: pip install 'webpy[top]'", _NO_SERVER)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        _end("top needs a terminal; `webpy ctl status` does not", _NO_SERVER)
    from ...supervisor.control.client import ControlError

    path = _find(control)
    try:
        run(path)
    except ControlError as error:
        click.echo(f"webpy: {error.strerror or error}", err=True)


@ctl.command(short_help="Reload code, settings and certificates.")
@click.option("--wait", is_flag=True, help="Wait until it has ended; if it fails, print why and exit with status 1.")
@click.pass_obj
def reload(control: str | None, wait: bool) -> None:
    """Reload code, settings and certificates, and replace the workers one by one.

    If the new ones do not become ready, the old ones keep serving.
    """
    _do(control, "reload", patient=wait, wait=wait)


@ctl.command(short_help="Take on changed certificates.")
@click.option("--wait", is_flag=True, help="Wait until all workers use them; if it fails, print why and exit with 1.")
@click.pass_obj
def renew(control: str | None, wait: bool) -> None:
    """Read the certificate files again, and have the running workers use them from the next handshake on.

    No worker is replaced, and no connection is lost. Certificates that cannot be used change nothing.
    """
    _do(control, "renew", patient=wait, wait=wait)


@ctl.command(short_help="Change the number of workers.")
@click.argument("workers", metavar="N", type=int)
@click.pass_obj
def scale(control: str | None, workers: int) -> None:
    """Set the number of workers to N, until a restart or a reload that changes the setting."""
    _do(control, "scale", workers=workers)


@ctl.command(short_help="Stop gracefully.")
@click.pass_obj
def stop(control: str | None) -> None:
    """Stop the server gracefully, as TERM does. Returns when the stop has begun."""
    _do(control, "stop")


@ctl.command(short_help="Replace one worker.")
@click.argument("slot", type=int)
@click.pass_obj
def drain(control: str | None, slot: int) -> None:
    """Replace the worker of SLOT: when its replacement serves, it finishes its requests and ends."""
    _do(control, "drain", slot=slot)


@ctl.command(short_help="Print what every thread is doing.")
@click.argument("slot", type=int, required=False)
@click.pass_obj
def stacks(control: str | None, slot: int | None) -> None:
    """Print the stacks of all threads of the worker of SLOT, or of all workers."""
    reply = _ask(control, "stacks", slot=slot)
    for each in reply["stacks"]:
        click.echo(f"== {each['title']} [{each['pid']}]\n{printable(each['text']).rstrip()}\n")


@ctl.command("logs-reopen", short_help="Reopen the log files.")
@click.pass_obj
def logs_reopen(control: str | None) -> None:
    """Reopen both log files, as USR1 does, after they were renamed."""
    _do(control, "logs-reopen")


@ctl.command(short_help="Replace the server's own program in place.")
@click.pass_obj
def upgrade(control: str | None) -> None:
    """Replace the server's own program, keeping its pid, sockets and workers. Waits until it has ended."""
    _do(control, "upgrade", patient=True, wait=True)


# -- asking ---------------------------------------------------------------------------------------------------


def _do(control: str | None, command: str, *, patient: bool = False, **arguments: Any) -> None:
    click.echo(printable(_ask(control, command, patient=patient, **arguments)["text"]))


def _ask(control: str | None, command: str, *, patient: bool = False, **arguments: Any) -> dict[str, Any]:
    """Return the master's reply; end the process if it is a refusal. `patient`: wait without a limit."""
    from ...supervisor.control.client import ControlError

    with _connect(_find(control)) as client:
        try:
            reply = client.ask(command, None if patient else _ANSWER_S, **arguments)
        except (ControlError, TimeoutError) as error:
            _end(str(error.strerror or error), _FAILED)
    if not reply.get("ok"):
        _end(printable(str(reply.get("text"))), _FAILED)
    return reply


def _connect(path: str) -> ControlClient:
    from ...supervisor.control.client import ControlClient, ControlError

    try:
        return ControlClient(path)
    except ControlError as error:
        _end(f"no server: {error.strerror}", _NO_SERVER)


def _find(control: str | None) -> str:
    """Return the path of the control socket; end the process if it is not clear which."""
    from ...supervisor.control.client import find_sockets

    named = control or _setting()
    if named:
        return named
    found = find_sockets()
    if not found:
        _end("you have no server running here; name another user's socket with --control PATH", _NO_SERVER)
    if len(found) > 1:
        several = "".join(f"\n  --control {path}  {_described(path)}".rstrip() for path in found)
        _end(f"{len(found)} servers are running, choose one:{several}", _NO_SERVER)
    return found[0]


def _described(path: str) -> str:
    """Return pid, addresses and TARGET of the server behind a control socket, if it answers within 2 s."""
    from ...supervisor.control.client import ControlClient, ControlError

    try:
        with ControlClient(path) as client:
            now = client.ask("status", _LIST_S)["status"]
    except (ControlError, TimeoutError, KeyError):
        return "(does not answer)"
    return one_line(f"pid {now['pid']}, {_addresses(now)}, {now.get('target', '')}")


def _addresses(now: dict[str, Any]) -> str:
    """Return where a server listens; one of an earlier version tells no schemes."""
    return ", ".join(now.get("urls") or now["listeners"]) or "no address"


def _setting() -> str | None:
    """Return the path that the environment or webpy.toml names, as a server started here would read them."""
    from ...settings import SettingsError, find_config, resolve

    try:
        control = resolve({}, os.environ, find_config(None, os.environ, Path.cwd())).settings.control
    except SettingsError:
        return None  # mistakes in other settings do not matter here
    return None if control == "off" else control


def _end(text: str, exit_status: int) -> NoReturn:
    click.echo(f"webpy: {text}", err=True)
    sys.exit(exit_status)


# -- the status as text --------------------------------------------------------------------------------------


def _summary(now: dict[str, Any]) -> str:
    from ...tls.expiry import days_left, first_expiries

    workers, totals, last = now["workers"], now["totals"], now["reload"]["last"]
    ready = sum(worker["state"] == "ready" for worker in workers)
    lines = [
        f"{now['name']} [{now['pid']}] {now['stage']}, generation {now['generation']}, up {age(now['uptime_s'])}, "
        f"{ready} of {now['wanted']} workers ready",
        f"listening on {_addresses(now)}",
        f"requests {totals['requests']}: "
        + ", ".join(f"{kind} {number}" for kind, number in totals["by_class"].items() if number or kind == "5xx"),
        f"deaths {totals['deaths']}, requests killed {totals['killed_requests']}, timeouts {totals['timeouts']}, "
        f"connections handed over {totals['handed_over']}",
    ]
    if now["restarts"]:
        lines.append("restarts: " + ", ".join(f"{cause} {number}" for cause, number in now["restarts"].items()))
    if now["reload"]["phase"] != "idle":
        lines.append(f"reload: {now['reload']['phase']}, {now['reload']['done']} of {now['reload']['of']} workers")
    if last is not None:
        verdict = "done" if last["ok"] else f"FAILED: {_gist(last['text'])}"
        lines.append(f"last reload: {verdict}")
    if expiries := first_expiries(now.get("facts")):
        at_s = time.time()
        each = [f"{one_line(name) or '?'} {days_left(when_s, at_s)} days" for name, when_s in expiries.items()]
        lines.append(f"certificates: {', '.join(each[:_MAX_CERTIFICATES])}")
    lines += ["", " SLOT     PID  GEN STATE        AGE   CONN    BUSY  QUEUE  REQUESTS    MEM  LONGEST"]
    lines += [_row(worker) for worker in workers]
    lines += [f"{each['title']} [{each['pid']}] {each['state']}" for each in now["sidecars"]]
    return "\n".join(lines)


def _gist(verdict: str) -> str:
    """Return a verdict on one line; of a traceback the first and the last line."""
    first, *rest = verdict.splitlines() or [""]
    return one_line(f"{first} … {rest[-1]}" if rest else first)[:300]


def _row(worker: dict[str, Any]) -> str:
    running = worker["running"]
    return (
        f"{worker['slot']:>5} {worker['pid']:>7} {worker['generation']:>4} {worker['state']:<9}"
        f" {age(worker['age_s']):>8} {count(worker['connections']):>6}"
        f" {worker['busy_threads']:>3}/{worker['threads']:<3} {worker['queued']:>6}"
        f" {count(worker['requests']):>9} {size(worker['memory_bytes']):>6}"
        f"  {age(running[0]['seconds']) if running else '-'}"
    )

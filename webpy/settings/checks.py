"""Checks of settings against each other and against the machine: named files exist, users are known.

Each check is one generator of sentences. Knows no sources: `labels` says how messages name a setting. Called by
`resolve`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .addresses import split_scheme
from .schema import OPTIONS, Settings

__all__ = ["problems_of", "warnings_of"]

Labels = Mapping[str, str]


def problems_of(settings: Settings, labels: Labels, base: Path, skip: Collection[str] = ()) -> list[str]:
    """Return all mistakes, a sentence each. Relative paths are taken from chdir, or from `base` without one.

    `skip` names settings that are known to be wrong already: nothing is said that follows from them.
    """
    if "chdir" in skip:
        return []
    folder = base if settings.chdir is None else Path(settings.chdir)
    if not folder.is_dir():
        return [f"{labels['chdir']}: got {settings.chdir!r}, wanted a folder that exists"]
    problems = [*_tls(settings, labels, folder, skip), *_folders(settings, labels, folder), *_ids(settings, labels)]
    problems += [*_socket(settings, labels), *_proxy(settings, labels, skip)]
    problems += _acme(settings, labels, folder, skip)
    return [*problems, *_access_format(settings, labels)]


def warnings_of(settings: Settings, labels: Labels) -> Iterator[str]:
    """Yield a sentence for each setting that is allowed but has no effect."""
    if settings.client_ca is not None and settings.client_cert == "none":
        yield f"{labels['client_ca']}: has no effect while client-cert is none"
    if settings.cert_watch and settings.certfile is None:
        yield f"{labels['cert_watch']}: has no effect without certfile"
    if settings.forwarded_header != "auto" and not settings.forwarded_allow_ips:
        yield f"{labels['forwarded_header']}: has no effect without forwarded-allow-ips"
    if settings.certfile is not None and "https" not in settings.schemes():
        yield f"{labels['certfile']}: has no effect without https:// in bind"
    if settings.https_redirect and "http" not in settings.schemes() and not settings.forwarded_allow_ips:
        yield f"{labels['https_redirect']}: has no effect without http:// in bind"
    if settings.https_redirect_except is not None and not settings.https_redirect:
        yield f"{labels['https_redirect_except']}: has no effect without https-redirect"
    if settings.hsts is not None and not _speaks_https(settings):
        yield f"{labels['hsts']}: has no effect without https:// in bind or forwarded-allow-ips"
    if not settings.acme:
        for name in ("acme_email", "acme_directory", "acme_ca"):
            if getattr(settings, name) != OPTIONS[name].default:
                yield f"{labels[name]}: has no effect without acme"
    places = [split_scheme(bind)[1] for bind in settings.bind]
    if not any(place.startswith("unix:") and place[5:6] != "@" for place in places):
        for name in ("socket_mode", "socket_group"):
            if getattr(settings, name) is not None:
                yield f"{labels[name]}: has no effect without unix:PATH in bind"


def _speaks_https(settings: Settings) -> bool:
    """Return whether requests may come by https: to this server, or to a proxy in front of it that says so."""
    return "https" in settings.schemes() or bool(settings.forwarded_allow_ips)


def _tls(settings: Settings, labels: Labels, folder: Path, skip: Collection[str]) -> Iterator[str]:
    readable = {}
    pairs = settings.certificate_files()
    named = [("certfile", certfile) for certfile, _ in pairs]
    named += [("keyfile", keyfile) for _, keyfile in pairs if keyfile is not None]
    if not pairs and isinstance(settings.keyfile, str):
        named.append(("keyfile", settings.keyfile))
    others = [("client_ca", settings.client_ca), ("client_crl", settings.client_crl)]
    for name, given in [*named, *others]:
        if given is None:
            continue
        try:
            with open(folder / given, "rb") as file:
                readable[given] = file.read()
        except OSError as error:
            yield f"{labels[name]}: got {given!r}, wanted a file that can be read: {error.strerror}"
    if settings.https_redirect and not _speaks_https(settings) and not {"bind", "certfile"} & set(skip):
        yield f"{labels['https_redirect']}: nothing to redirect to, wanted https:// in bind or forwarded-allow-ips"
    if not settings.has_certificate and not {"bind", "certfile", "acme"} & set(skip):
        for bind in settings.bind:
            if split_scheme(bind)[0] == "https":
                yield f"{labels['bind']}: got {bind!r} without a certificate, wanted certfile or acme too"
    if "certfile" not in skip:
        if not pairs and settings.keyfile is not None:
            yield f"{labels['keyfile']}: given without certfile, wanted both"
        for name in ("client_ca", "client_crl"):
            if getattr(settings, name) is not None and not settings.has_certificate and "acme" not in skip:
                yield f"{labels[name]}: given without certfile, wanted both"
    if not {"certfile", "keyfile"} & set(skip):
        yield from _keys(settings, labels, readable)
    if settings.client_cert != "none" and settings.client_ca is None and "client_ca" not in skip:
        yield f"{labels['client_cert']}: got {settings.client_cert!r} without client-ca, wanted both"
    if (
        settings.client_crl is not None
        and settings.client_ca is None
        and settings.has_certificate
        and "client_ca" not in skip
    ):
        yield f"{labels['client_crl']}: given without client-ca, wanted both"


def _keys(settings: Settings, labels: Labels, readable: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with how certificates and keys belong together."""
    pairs = settings.certificate_files()
    keys = 1 if isinstance(settings.keyfile, str) else len(settings.keyfile or ())
    if pairs and keys not in (0, len(pairs)):
        yield (
            f"{labels['keyfile']}: got {keys} for {len(pairs)} certfile{'s' if len(pairs) > 1 else ''}, wanted one for"
            " each, in their order, or none if each certfile holds its key"
        )
        return
    for certfile, keyfile in pairs:
        if keyfile is None and certfile in readable and b"PRIVATE KEY-----" not in readable[certfile]:
            yield f"{labels['certfile']}: {certfile!r} holds no private key, wanted keyfile too"


def _acme(settings: Settings, labels: Labels, folder: Path, skip: Collection[str]) -> Iterator[str]:
    if settings.acme and "bind" not in skip:
        schemes = settings.schemes()
        for scheme, why in (
            ("http", "where the directory asks for the proof"),
            ("https", "where the certificate is used"),
        ):
            if scheme not in schemes:
                wanted = f"wanted {scheme}:// in bind, {why}: --bind http://:80 --bind https://:443"
                yield f"{labels['acme']}: got no listener of {scheme} ({', '.join(settings.bind)}), {wanted}"
    if settings.acme_ca is not None:
        try:
            with open(folder / settings.acme_ca, "rb"):
                pass
        except OSError as error:
            yield f"{labels['acme_ca']}: got {settings.acme_ca!r}, wanted a file that can be read: {error.strerror}"


def _folders(settings: Settings, labels: Labels, folder: Path) -> Iterator[str]:
    written = {"access_log": settings.access_log, "error_log": settings.error_log, "pidfile": settings.pidfile}
    for name, given in written.items():
        if given is None or given in ("-", "off"):
            continue
        if not (folder / given).parent.is_dir():
            yield f"{labels[name]}: got {given!r}, wanted a path in a folder that exists"
        elif (folder / given).is_dir():
            yield f"{labels[name]}: got {given!r}, wanted a file, but it is a folder"
    for bind in settings.bind:
        _, address = split_scheme(bind)
        if address.startswith("unix:") and not (folder / address[5:]).parent.is_dir():
            yield f"{labels['bind']}: got {bind!r}, wanted a path in a folder that exists"


def _ids(settings: Settings, labels: Labels) -> Iterator[str]:
    if settings.user is None and settings.group is None:
        return
    import grp
    import pwd

    if settings.user is not None and not settings.user.isdecimal():
        try:
            pwd.getpwnam(settings.user)
        except KeyError:
            yield f"{labels['user']}: got {settings.user!r}, wanted the name or number of a user of this system"
    if settings.group is not None and not settings.group.isdecimal():
        try:
            grp.getgrnam(settings.group)
        except KeyError:
            yield f"{labels['group']}: got {settings.group!r}, wanted the name or number of a group of this system"
    if os.geteuid() != 0:
        ours = {"user": _own(settings.user, os.geteuid(), "user"), "group": _own(settings.group, os.getegid(), "group")}
        for name, same in ours.items():
            if not same:
                yield f"{labels[name]}: got {getattr(settings, name)!r}, wanted a server started by root for that"


def _socket(settings: Settings, labels: Labels) -> Iterator[str]:
    mode, group = settings.socket_mode, settings.socket_group
    if mode is not None and not mode & 0o222:
        yield f"{labels['socket_mode']}: got '{mode:03o}', wanted a bit of 222: connecting needs write permission"
    if group is None:
        return
    import grp

    try:
        number = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        yield f"{labels['socket_group']}: got {group!r}, wanted the name or number of a group of this system"
        return
    if os.geteuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        yield f"{labels['socket_group']}: got {group!r}, wanted a group of this user, or a server started by root"


def _proxy(settings: Settings, labels: Labels, skip: Collection[str]) -> Iterator[str]:
    if settings.proxy_protocol and not settings.forwarded_allow_ips and "forwarded_allow_ips" not in skip:
        yield f"{labels['proxy_protocol']}: given without forwarded-allow-ips, which names the proxies; wanted both"


def _own(given: str | None, number: int, which: str) -> bool:
    """Return True if `given` is None, unknown (reported before), or the user or group of this process."""
    import grp
    import pwd

    if given is None:
        return True
    if given.isdecimal():
        return int(given) == number
    try:
        return (pwd.getpwnam(given).pw_uid if which == "user" else grp.getgrnam(given).gr_gid) == number
    except KeyError:
        return True


def _access_format(settings: Settings, labels: Labels) -> Iterator[str]:
    if "%(" not in settings.access_format:
        return
    from ..accesslog import compile_format  # only templates need it

    try:
        compile_format(settings.access_format)
    except ValueError as error:
        yield f"{labels['access_format']}: {error}"

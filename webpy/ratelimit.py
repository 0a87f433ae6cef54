"""Limits of requests for each client or key, over all workers and machines: `RateLimitMixIn`.

    from webpy.ratelimit import RateLimitMixIn

    class Search(RateLimitMixIn):
        ratelimit_requests = 100
        ratelimit_window_s = 60

        def do_get(self): ...

A client that asks more is answered with 429 and Retry-After, before anything else of the handler runs. All answers,
allowed ones too, carry the fields of draft-ietf-httpapi-ratelimit-headers-11, by which clients can pace themselves:

    RateLimit-Policy: "default";q=100;w=60
    RateLimit: "default";r=99;t=1

that is 100 requests in 60 s, of which 99 are left for the next second. A client is an IPv4 address or the /64 of an
IPv6 one, as trusted proxies name it (docs/behind-a-proxy.md). To limit users, API keys or anything else in place of
addresses, override `ratelimit_key`; behind a mix-in of `webpy.auth` it has the user:

    class Reports(BasicAuthMixIn, RateLimitMixIn):
        ratelimit_requests, ratelimit_window_s, ratelimit_burst = 1000, 86400, 10

        def ratelimit_key(self):
            return None if self.auth == 'admin' else self.auth

Subclasses count together if they take the limit from the same class; one that sets a limit of its own counts by itself:

    class API(RateLimitMixIn):               # one allowance for all that inherits from it
        ratelimit_requests = 600

    class Notes(API): ...
    class Users(API): ...

A handler has one limit: to inherit from two classes that each set one is a TypeError when the class is made. In
`mixins = (API,)` beside `routes`, API stands before every answer, 404s included, but not before handlers that have a
limit of their own.

Options, class attributes of the handler, checked when the class is made:

- `ratelimit_requests = 60`, `ratelimit_window_s = 60`: so many requests in so many seconds, at least 1 s.
- `ratelimit_burst = None`: how many may come at once; None for all of `ratelimit_requests`.
- `ratelimit_key()`: returns what to count by, a str, or None not to limit this request. It runs before the method, and
  may use `self.request`, `self.groups` and what mix-ins in front have set.
- `ratelimit_name = None`: handlers with the same name share their counts; also the policy's name in the fields. None
  for the class that sets the limit, and "default" in the fields.
- `ratelimit_store = None`: a URL of `webpy.store`, or a `Store`. None is the URL in the environment's WEBPY_RATELIMIT,
  else `webpy-ratelimit.sqlite3` in the state directory, which the workers of a machine share; several machines share
  Redis or memcached. `memory:` is for one worker: more are refused at the start.
- `ratelimit_fail_open = True`: what happens while the store cannot be used: requests are let in without a limit, or
  (False) answered with 503. It is logged once a minute, and the store is asked again once a second.
- `ratelimit_max_clients = 100_000`: see below.

How it counts: each client has a bucket that leaks evenly (the Generic Cell Rate Algorithm of ITU-T I.371), kept as one
number, so that a request is one atomic step of the store and a refused one writes nothing. Refused requests do not
count. A client that was idle may use its `ratelimit_burst` at once, and gets one request more every
`ratelimit_window_s / ratelimit_requests` seconds. So any window has at most `ratelimit_burst + ratelimit_requests` of
them, and on average it has `ratelimit_requests`. (A fixed window lets through twice its limit around its end, and so do
the two counters of a sliding window in the worst case. A bucket is no looser, needs one number in place of two, and has
no end at which all clients come again.)

Memory: a bucket is dropped when it is empty, at the latest after burst/requests of a window. When a worker has made
`ratelimit_max_clients` of them within that time, clients that have none yet share one with their whole network (the /24
of an IPv4 address, the /32 of an IPv6 one) until it is over, one of 65,536 in all. So somebody with very many addresses
does not fill the store, and uses up the allowance of nobody else, but for newcomers of the same provider. The store
contains digests of addresses and keys, not the values.

Order: before mix-ins that read the body (`FormMixIn`, `DecompressionMixIn`), else a TypeError is raised when the class
is made. Before those of `webpy.auth` it limits the guessing of passwords by a client, behind them it can count by user.
Behind `CORSMixIn`, preflights do not count.

Caveats: a client on a unix socket has no address and is not limited, which is logged: name the proxy in
`--forwarded-allow-ips`. Clocks of machines that share a store have to agree, but for Redis, whose clock counts. The
404 of a path without a route counts only with `mixins` (above). `--max-request-rate` (docs/settings.md) is a coarse
limit for all requests of a client, before any handler runs.

Counting a request costs 8 to 15 us of CPU in `memory:`, 34 to 61 in SQLite, 47 to 67 in Redis, 53 to 61 in memcached
and 230 in files (CPython 3.11, a shared 2-core VM).
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from . import store as stores
from .framework.clients import client_network, provider_network
from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.order import Rank
from .framework.trust import UNIX
from .logthrottle import log_throttled
from .store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .framework.response import Result

__all__ = ["RateLimitMixIn"]

_LIMIT = {"ratelimit_requests", "ratelimit_window_s", "ratelimit_burst"}
_LOG_EVERY_S = 60.0
_STORE_TIMEOUT_S = 1.0  # of a store that is opened here: all requests wait for it
_MAX_S = 1e8  # three years: more is a mistake
_PAUSE_S = 1.0  # in which a store that has failed is not asked
_SHARED_BUCKETS = 65536

_log = logging.getLogger("webpy.ratelimit")


class _Policy:
    """A limit in the numbers of buckets: what a request pours, what a bucket holds; the name that counts go by, and the
    RateLimit-Policy field."""

    __slots__ = ("_label", "amount_us", "capacity_us", "field", "scope", "text")

    def __init__(self, cls: type[RateLimitMixIn]) -> None:
        """Raises ValueError, with the name of the option, for one that cannot be used, and TypeError as `_scope`."""
        requests, window_s, burst = cls.ratelimit_requests, cls.ratelimit_window_s, cls.ratelimit_burst
        for name in ("ratelimit_requests", "ratelimit_burst", "ratelimit_max_clients"):
            value = getattr(cls, name)
            if (type(value) is not int or value < 1) and not (value is None and name == "ratelimit_burst"):
                raise ValueError(f"{cls.__qualname__}.{name}: got {value!r}, wanted a whole number, at least 1")
        if type(window_s) not in (int, float) or not 1 <= window_s <= _MAX_S:
            raise ValueError(f"{cls.__qualname__}.ratelimit_window_s: got {window_s!r}, wanted seconds, 1 to 1e8")
        label = cls.ratelimit_name
        if label is not None and not (isinstance(label, str) and label and label.isascii() and label.isprintable()):
            raise ValueError(f"{cls.__qualname__}.ratelimit_name: got {label!r}, wanted printable ASCII, or None")
        self.amount_us = max(1, round(window_s * 1e6 / requests))
        self.capacity_us = self.amount_us * (requests if burst is None else burst)
        if self.capacity_us > _MAX_S * 1e6:
            wanted = f"so few that they come back within {_MAX_S:g} s at {requests} in {window_s:g} s"
            raise ValueError(f"{cls.__qualname__}.ratelimit_burst: got {burst!r}, wanted {wanted}")
        scope = _scope(cls)
        self.scope = scope if label is None else label
        self.text = f"{requests} requests in {window_s:g} s"
        quoted = (label or "default").replace("\\", "\\\\").replace('"', '\\"')
        self._label = f'"{quoted}"'
        self.field = f"{self._label};q={requests};w={-int(-window_s // 1)}"

    def available(self, level_us: int) -> tuple[int, int]:
        """Return how many more requests there is room for, and in how many seconds, rounded up, for one more."""
        count, rest_us = divmod(self.capacity_us - level_us, self.amount_us)
        return count, max(1, -((rest_us - self.amount_us) // 1_000_000))

    def limit_field(self, count: int, seconds: int) -> str:
        """Return the RateLimit field."""
        return f"{self._label};r={count};t={seconds}"


def _scope(cls: type[RateLimitMixIn]) -> str:
    """Return the name of the class that a class has its limit from. Raises TypeError if there are two, neither of which
    was made to override the other."""
    first, *others = (base for base in cls.__mro__ if vars(base).keys() & _LIMIT)
    for other in others if issubclass(first, RateLimitMixIn) else ():
        if issubclass(other, RateLimitMixIn) and not issubclass(first, other):
            names = f"{first.__qualname__} and {other.__qualname__}"
            raise TypeError(f"{cls.__qualname__}: has the limits of {names}, wanted one: set it in {cls.__qualname__}")
    return f"{first.__module__}.{first.__qualname__}"


class _Newcomers:
    """How many clients of a policy got a bucket from this process lately. It counts without a lock, as that need not be
    exact."""

    __slots__ = ("_count", "_life_s", "_max", "_until_s")

    def __init__(self, most: int, life_s: float) -> None:
        """most: the limit; life_s: for how long a bucket may be in the store."""
        self._max = most
        self._life_s = life_s
        self._until_s = 0.0
        self._count = 0

    def are_many(self) -> bool:
        """Return whether there were so many that others have to share."""
        if self._count < self._max:
            return False
        if time.monotonic() < self._until_s:
            return True
        self._count = 0
        return False

    def add(self) -> None:
        """Count one."""
        if not self._count:
            self._until_s = time.monotonic() + self._life_s
        self._count += 1


class _Meter:
    """The buckets in one store, for any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._fault = ""  # what the store failed with, last
        self._ask_again_s = 0.0

    def pour(self, policy: _Policy, key: str, newcomers: _Newcomers, widen: Callable[[str], str]) -> tuple[bool, int]:
        """Count a request of `key`; return whether it is within the limit, and the level of its bucket.

        widen: returns what to count a new key by when there are very many of them. Raises StoreError, without asking a
        store that failed within the last second.
        """
        if self._fault and time.monotonic() < self._ask_again_s:
            raise StoreError(self._fault)
        name = f"webpy.ratelimit/{policy.scope}/{_digest(key).hex()}"
        shares = False
        try:
            if newcomers.are_many() and name not in self.store:
                shares = True
                log_throttled(_log, f"{policy.scope}: very many new clients; they share limits", every_s=_LOG_EVERY_S)
                number = int.from_bytes(_digest(widen(key))) % _SHARED_BUCKETS
                name = f"webpy.ratelimit/{policy.scope}/shared/{number}"
            poured, level_us = self.store.pour(name, policy.amount_us, policy.capacity_us)
        except StoreError as error:
            self._ask_again_s = time.monotonic() + _PAUSE_S
            self._fault = str(error)
            raise
        self._fault = ""
        if level_us == policy.amount_us and not shares:
            newcomers.add()
        return poured, level_us


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_of_urls: dict[str, _Meter] = {}
_of_stores: list[_Meter] = []  # a store is a mapping, and cannot be the key of a dict


def _find_meter(store: str | Store | None) -> _Meter:
    """Return the meter of a store or URL, which all classes with that store share. Raises as `webpy.store.open`."""
    if isinstance(store, Store):
        found = next((meter for meter in _of_stores if meter.store is store), None)
        if found is None:
            _of_stores.append(found := _Meter(store))
        return found
    url = store or os.environ.get("WEBPY_RATELIMIT") or stores.default_url("ratelimit", "WEBPY_RATELIMIT")
    if url not in _of_urls:
        _of_urls[url] = _Meter(stores.open(url, timeout_s=_STORE_TIMEOUT_S))
    return _of_urls[url]


class RateLimitMixIn(HTTPHandler):
    """Put in front of a handler: its clients may ask so often. The options are explained in `webpy.ratelimit`.

    Raises, when the class is made, ValueError for options that cannot be used, TypeError if it inherits two limits, and
    as `webpy.store.open`.
    """

    mixin_rank = Rank.RATE_LIMIT

    ratelimit_requests: int = 60
    ratelimit_window_s: float = 60
    ratelimit_burst: int | None = None
    ratelimit_name: str | None = None
    ratelimit_store: str | Store | None = None
    ratelimit_fail_open = True
    ratelimit_max_clients: int = 100_000

    _policy: _Policy
    _meter: _Meter
    _newcomers: _Newcomers
    _is_counted = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._policy = policy = _Policy(cls)
        cls._meter = _find_meter(cls.ratelimit_store)  # before the fork, so that `memory:` is noticed
        cls._newcomers = _Newcomers(cls.ratelimit_max_clients, policy.capacity_us / 1e6)
        if not hasattr(cls.check_continue, "counts_first"):
            cls.check_continue = _after_count(cls.check_continue)  # type: ignore[method-assign]

    def ratelimit_key(self) -> str | None:
        """Return what to count this request by; None if it is not to be limited. Override it."""
        host = self.request.client_address[0]
        if host == UNIX:
            text = "clients on a unix socket have no address and are not limited; see --forwarded-allow-ips"
            log_throttled(_log, text, every_s=_LOG_EVERY_S)
            return None
        return client_network(host)

    def respond(self) -> Result:
        self._count_request()
        return super().respond()

    def check_continue(self) -> bool | None:
        self._count_request()
        return super().check_continue()

    # `webpy.auth` calls a subclass's own check_continue after the login: this one comes before, and passes it on.
    check_continue.counts_first = check_continue.authenticates_first = True  # type: ignore[attr-defined]

    def _count_request(self) -> None:
        """Count the request, once, and set the fields that say so. Raises HTTPError 429 and 503."""
        if self._is_counted:
            return
        self._is_counted = True
        key = self.ratelimit_key()
        if key is None:
            return
        if not isinstance(key, str):
            raise TypeError(f"{type(self).__qualname__}.ratelimit_key: got {key!r:.60}, wanted a str or None")
        policy = self._policy
        try:
            poured, level_us = self._meter.pour(policy, key, self._newcomers, self._widen)
        except StoreError as error:
            what = "requests are let in without a limit" if self.ratelimit_fail_open else "requests are refused"
            log_throttled(_log, what, str(error), every_s=_LOG_EVERY_S)
            if self.ratelimit_fail_open:
                return
            raise HTTPError(503, "limits cannot be checked now; try again\n", {"Retry-After": "1"}) from None
        count, seconds = policy.available(level_us)
        field = policy.limit_field(count, seconds)
        for headers in (self.response.headers, self.request.error_headers):
            headers.set("RateLimit-Policy", policy.field)
            headers.set("RateLimit", field)
        if not poured:
            text = f"over the limit of {policy.text}; try again in {seconds} s\n"
            raise HTTPError(429, text, {"Retry-After": str(seconds)})

    def _widen(self, key: str) -> str:
        """Return the network of a client that is counted by its address; another key is counted by itself."""
        is_address = key == client_network(self.request.client_address[0])
        return provider_network(key) if is_address else key


def _after_count(check: Callable[[Any], bool | None]) -> Any:
    """Return a `check_continue` that counts the request and then calls `check`, a subclass's own."""

    @functools.wraps(check)
    def check_continue(self: RateLimitMixIn) -> bool | None:
        self._count_request()
        return check(self)

    check_continue.counts_first = True  # type: ignore[attr-defined]
    return check_continue

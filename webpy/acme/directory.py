"""One order at an ACME directory (RFC 8555), spoken by the library acme (webpy[acme]). Knows no files and no schedule.

The proof asked for is HTTP-01: workers answer it by the account's thumbprint, whichever of them is asked, so nothing
has to reach them before the directory asks.
"""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from acme import challenges, errors, messages
from acme.client import ClientNetwork, ClientV2
from josepy.errors import DeserializationError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from .failures import Failure, OrderError
from .keys import make_csr, make_key, read_certificate

__all__ = ["Directory"]

_USER_AGENT = "webpy"
_TIMEOUT_S = 20  # of one request
_ORDER_S = 180.0  # of an order: Let's Encrypt asks from several places, and takes seconds
_NONCE_TRIES = 10  # a nonce may be refused at any time (RFC 8555 6.5); pebble does so on purpose


class Directory:
    """The directory at `url`, with an account. ca: path of the authorities that its own TLS is verified by, None for
    those of requests; email: where the directory may warn."""

    def __init__(self, url: str, account_key: bytes, ca: str | None = None, email: str | None = None) -> None:
        self._url = url
        self._key = JWKEC.load(account_key)
        self._ca = ca
        self._email = email
        self.terms = ""
        """The URL of the terms of service, once an order has begun."""

    def order(self, names: Sequence[str]) -> bytes:
        """Order a certificate for `names`; return a new key and the chain. Blocks for seconds, or minutes. Raises
        OrderError."""
        retry_after = _RetryAfter()
        try:
            return self._order(names, retry_after)
        except messages.Error as error:
            raise _refusal(error, retry_after.seconds) from None
        except errors.ValidationError as error:
            raise OrderError(Failure.REFUSED, _unverified(error)) from None
        except errors.IssuanceError as error:
            raise _refusal(error.error, retry_after.seconds) from None
        except requests.exceptions.RequestException as error:
            raise OrderError(Failure.UNREACHABLE, _unreachable(error), retry_after.seconds) from None
        except errors.TimeoutError:
            raise OrderError(Failure.UNREACHABLE, f"it has not decided within {_ORDER_S:g} s") from None
        except errors.ClientError as error:
            answer = error.args[0] if error.args else None
            if isinstance(answer, requests.Response):
                text = f"{answer.url} answered {answer.status_code} {answer.reason}"
                failure = Failure.LIMITED if answer.status_code == 429 else Failure.UNREACHABLE
                raise OrderError(failure, text, retry_after.seconds) from None
            raise OrderError(Failure.UNREACHABLE, f"it does not speak ACME: {error}") from None
        except (errors.Error, DeserializationError, KeyError, OSError, ValueError) as error:
            raise OrderError(Failure.UNREACHABLE, f"it does not speak ACME: {error}") from None

    def _order(self, names: Sequence[str], retry_after: _RetryAfter) -> bytes:
        network = _Network(self._key, alg=ES256, user_agent=_USER_AGENT, timeout=_TIMEOUT_S)
        if self._ca is not None:
            network.verify_ssl = self._ca  # type: ignore[assignment]  # requests takes a path too
        network.session.hooks["response"].append(retry_after.note)
        client = ClientV2(ClientV2.get_directory(self._url, network), network)
        self.terms = str(getattr(client.directory.meta, "terms_of_service", None) or "")
        self._sign_in(client)
        key = make_key()
        order = client.new_order(make_csr(key, names))
        self._answer(client, order)
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=_ORDER_S)
        order = client.poll_authorizations(order, deadline)
        _check_authorizations(order)
        chain = client.finalize_order(order, deadline).fullchain_pem.encode()
        return _checked(key + chain, names)

    def _sign_in(self, client: ClientV2) -> None:
        """Use the account of our key, or make one: the same request does both (RFC 8555 7.3 and 7.3.1)."""
        account = messages.NewRegistration.from_data(email=self._email, terms_of_service_agreed=True)
        try:
            client.new_account(account)
        except errors.ConflictError as known:
            body = messages.Registration()
            client.net.account = messages.RegistrationResource(uri=known.location, body=body)

    def _answer(self, client: ClientV2, order: messages.OrderResource) -> None:
        """Tell the directory that it may ask for the proofs that it has not had before."""
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_PENDING:
                continue
            offered = [each for each in authorization.body.challenges if isinstance(each.chall, challenges.HTTP01)]
            if not offered:
                name = authorization.body.identifier.value
                raise OrderError(Failure.REFUSED, f"it offers no HTTP-01 challenge for {name}")
            client.answer_challenge(offered[0], offered[0].response(self._key))


class _Network(ClientNetwork):
    """As the library's, which tries only one other nonce."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_NONCE_TRIES):
            try:
                return self._post_once(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return self._post_once(*args, **kwargs)


class _RetryAfter:
    """Keeps the Retry-After of the last answer that was an error, in seconds from then; 0.0 if it had none."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def note(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        self.seconds = 0.0 if answer.ok else _seconds(answer.headers.get("Retry-After", ""))


def _seconds(text: str) -> float:
    """Return what a Retry-After field says (RFC 9110 10.2.3), 0.0 if that is nothing."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _refusal(error: messages.Error, retry_after_s: float) -> OrderError:
    code = error.code or "error"
    text = f"{code}: {error.detail or error.title or error.description or 'it does not say why'}"
    for each in error.subproblems or ():
        name = each.identifier.value if each.identifier is not None else code
        text += f"; {name}: {each.detail}"
    if code == "rateLimited":
        failure = Failure.LIMITED
    elif code == "serverInternal":
        failure = Failure.UNREACHABLE
    else:
        failure = Failure.REFUSED
    return OrderError(failure, text, retry_after_s)


def _unverified(error: errors.ValidationError) -> str:
    """Return what the directory said of each name that it could not verify."""
    said = []
    for authorization in error.failed_authzrs:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                problem = challenge.error
                said.append(f"{authorization.body.identifier.value}: {problem.code}: {problem.detail}")
    return "it could not verify " + "; ".join(dict.fromkeys(said))


def _unreachable(error: requests.exceptions.RequestException) -> str:
    reason: BaseException = error
    while (deeper := _deeper(reason)) is not None:
        reason = deeper
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified ({reason.verify_message}); acme-ca names the authorities to use"
    return f"it cannot be reached: {getattr(reason, 'strerror', None) or reason}"


def _deeper(error: BaseException) -> BaseException | None:
    """Return the exception that `error` of requests or urllib3 is about, None if it is the one itself."""
    reason = getattr(error, "reason", None)
    candidates = (reason, *error.args[:1], error.__cause__)
    return next((each for each in candidates if isinstance(each, BaseException) and each is not error), None)


def _check_authorizations(order: messages.OrderResource) -> None:
    """Raise OrderError for an authorization that is invalid for no reason given."""
    for authorization in order.authorizations:
        if authorization.body.status != messages.STATUS_VALID:
            name, status = authorization.body.identifier.value, authorization.body.status.name
            raise OrderError(Failure.REFUSED, f"it could not verify {name}: the authorization is {status}")


def _checked(pem: bytes, names: Sequence[str]) -> bytes:
    """Return `pem`. Raises OrderError if it is not a certificate for our key and for `names`."""
    try:
        facts = read_certificate(pem)
    except ValueError as error:
        raise OrderError(Failure.REFUSED, f"it sent no certificate that can be used: {error}") from None
    if missing := sorted(set(names) - facts.names):
        raise OrderError(Failure.REFUSED, f"it sent a certificate that is not for {', '.join(missing)}")
    return pem

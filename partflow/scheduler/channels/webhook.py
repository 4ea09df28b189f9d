"""Tells people by a POST of the document to an address, signed if there is a secret for that.

Knows nothing of who receives it. Redirects are not followed: another address would get what was
meant for this one. The same message has the same `Idempotency-Key` if it is sent once more.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from partflow.report.document import document
from partflow.report.notice import NoticeReport
from partflow.scheduler.channels.channel import Hiding

_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class ByWebhook:
    """An address, or the name of the variable that holds it; `secret_env` names that of the key."""

    name: str
    url: str
    url_env: str
    secret_env: str
    hiding: Hiding
    timeout: float

    def send(self, notice: NoticeReport, now: float) -> str | None:
        """Why a message did not go; None if the answer was 2xx."""
        if missing := self.hiding.missing():
            return missing
        url = self.url or self.hiding.values[self.url_env].strip()
        try:
            is_http = urlsplit(url).scheme in ("http", "https")
        except ValueError:
            is_http = False
        if not is_http:
            return f"{self.url_env} holds no address that begins with https:// or http://"
        body = json.dumps(document(notice)).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "partflow",
            "Idempotency-Key": notice.id,
            "Partflow-Timestamp": f"{int(now)}",
        }
        if self.secret_env:
            key = self.hiding.values[self.secret_env].encode()
            headers["Partflow-Signature"] = f"sha256={signature(key, int(now), body)}"
        try:
            request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - above
            with _opener().open(request, timeout=self.timeout):
                return None
        except HTTPError as error:
            with error:
                return _answered(error.code)
        except (OSError, HTTPException, ValueError) as error:
            return self.hiding.without(f"the address cannot be reached: {_reason(error)}")


def signature(key: bytes, timestamp: int, body: bytes) -> str:
    """The HMAC-SHA256, in hex, over the timestamp in epoch seconds, a full stop, and the body."""
    return hmac.new(key, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _opener() -> urllib.request.OpenerDirector:
    """What opens http and https, through proxies of the environment, and follows nothing."""
    opener = urllib.request.OpenerDirector()
    for each in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(each)
    return opener


def _answered(code: int) -> str:
    if code in _REDIRECTS:
        return f"the address answered {code}: a redirect, which is not followed; give its target"
    return f"the address answered {code}"


def _reason(error: Exception) -> str:
    """What the system says of it; not the whole text, which may hold the address."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "it took too long"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__

"""Downloads images over http(s), with limits on size and time. Every error is one line that names the URL."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from typing import Any

from votepose.errors import VoteposeError

MAX_BYTES = 2**26  # 64 MiB: more than any photo on a web page
TIMEOUT = 20.0  # seconds without a byte
DEADLINE = 120.0  # seconds for the whole image, in case a server sends byte by byte
_CHUNK = 2**16


def is_url(text: str) -> bool:
    """Whether `text` is an http(s) URL rather than a path."""
    return text.lower().startswith(("http://", "https://"))


def fetch(url: str, max_bytes: int = MAX_BYTES, timeout: float = TIMEOUT, deadline: float = DEADLINE) -> bytes:
    """Download the image at an http(s) URL; redirects to http(s) are followed.

    Args:
        url: the URL as a browser shows it; spaces and non-ASCII letters are quoted.
        max_bytes: maximum size; a larger file is not read to the end.
        timeout: maximum time without data, in seconds.
        deadline: maximum time for the whole image, in seconds.

    Raises:
        VoteposeError: if there is no answer, or the answer is not an image or is too large.
    """
    quoted = urllib.parse.quote(url, safe="%/:?#[]@!$&'()*+,;=~-._")
    headers = {"User-Agent": "votepose", "Accept": "image/*,*/*;q=0.1"}
    try:
        request = urllib.request.Request(quoted, headers=headers)
        with _opener().open(request, timeout=timeout) as answer:
            _check(url, answer, max_bytes)
            return _read(url, answer, max_bytes, time.monotonic() + deadline)
    except urllib.error.HTTPError as error:
        raise VoteposeError(f"{url}: the server answers {error.code} {_phrase(error.code)}".rstrip()) from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
        if isinstance(error, VoteposeError):
            raise
        raise VoteposeError(f"{url}: {_reason(error, timeout)}") from None


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only; urllib would also follow them to ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_url(newurl):
            raise VoteposeError(f"{req.full_url}: redirects to {newurl[:100]}, which is not http or https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_WebOnly)


def _check(url: str, answer: Any, max_bytes: int) -> None:
    kind = answer.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise VoteposeError(f"{url}: is a web page, not an image; use the URL of the image itself")
    if kind.startswith("video/") or kind in ("multipart/x-mixed-replace", "application/vnd.apple.mpegurl"):
        raise VoteposeError(f"{url}: is a video ({kind}), not an image; name it as video:{url}")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(url, max_bytes)


def _read(url: str, answer: Any, max_bytes: int, end: float) -> bytes:
    content = bytearray()
    while chunk := answer.read1(_CHUNK):
        content += chunk
        if len(content) > max_bytes:
            raise _too_large(url, max_bytes)
        if time.monotonic() > end:
            raise VoteposeError(f"{url}: arrives too slowly; download it, or try again")
    if answer.length:  # the header announced more bytes than were sent
        raise VoteposeError(f"{url}: the connection broke off after {len(content)} bytes; try again")
    return bytes(content)


def _too_large(url: str, max_bytes: int) -> VoteposeError:
    return VoteposeError(f"{url}: is larger than {max_bytes / 2**20:.3g} MiB; make it smaller")


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in set(HTTPStatus) else ""


def _reason(error: Exception, timeout: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {timeout:.3g} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted ({cause.verify_message})"
    if isinstance(error, http.client.HTTPException | ValueError):
        return f"is not a valid address, or the answer is not HTTP ({type(error).__name__})"
    detail = getattr(cause, "strerror", None) or " ".join(str(cause).split()) or type(cause).__name__
    return f"cannot be reached ({detail[:120]})"

"""Requests that the studio answers: those of its own page, on this machine.

A browser sends whatever any web page asks of it to 127.0.0.1 as well. Two headers, which no script
of a page can change, tell who asks: `Origin`, and `Host`, which holds a foreign name where a name
server was made to answer with 127.0.0.1 (DNS rebinding).
"""

import re
import secrets
from ipaddress import ip_address

COOKIE = "studio"  # tells a browser from others, so that a reload finds its work again
_BROWSER = re.compile(rf"(?:^|;\s*){COOKIE}=([0-9a-f]{{32}})(?=;|$)")
NAMES = ("127.0.0.1", "localhost", "[::1]")
REFUSED = "The studio answers its own page alone, opened on this machine.\n"
# Nothing is loaded from another machine, and no other page can lay this one under its own.
HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        b"connect-src 'self' data: blob:; worker-src 'self' blob:; media-src 'self' blob:; "
        b"form-action 'self'; base-uri 'self'; frame-ancestors 'self'"
    ),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Guard:
    """ASGI middleware that refuses foreign requests, and has browsers refuse foreign content.

    Args:
        app: the ASGI application behind it.
        port: that it is served on.
        names: of this machine, by which others may ask; None where none may.
    """

    def __init__(self, app, port, names=None):
        self.app, self.port, self.names = app, port, names

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif is_own(scope.get("method", "GET"), scope["headers"], self.port, self.names):
            await self.app(scope, receive, _with_headers(send, _named(scope)))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refuse(send)


def is_own(method, headers, port, names=None):
    """Whether a request comes from the studio's page, or from a user who opens it.

    Args:
        method: of HTTP.
        headers: list of (name, value), bytes, names in lower case.
        port: that the studio is served on.
        names: as of `Guard`. A host that is given as a number cannot be forged by a name server, so
            that any of them passes where others may ask.

    Returns:
        bool. Programs that are no browsers, which send no `Origin`, pass with the right `Host`.
    """
    values = {}
    for name, value in headers:
        values.setdefault(name, []).append(value.decode("latin-1").lower())
    hosts = values.get(b"host", [])
    if len(hosts) != 1 or not _is_named(hosts[0], port, names):
        return False
    if any(origin != f"http://{hosts[0]}" for origin in values.get(b"origin", [])):
        return False
    # A picture or a frame of another page comes without an origin; a link that was clicked too.
    (site,) = values.get(b"sec-fetch-site", ["none"])[-1:]
    clicked = method == "GET" and values.get(b"sec-fetch-mode") == ["navigate"]
    framed = values.get(b"sec-fetch-dest", ["document"]) != ["document"]
    return site in ("same-origin", "none") or (clicked and not framed)


def _is_named(host, port, names):
    """Whether a `Host` names this machine and port."""
    if port == 80 and not host.endswith(":80"):
        host += ":80"  # browsers leave it away
    name, _, of = host.rpartition(":")
    if of != str(port):
        return False
    if name in NAMES or names is None:
        return name in NAMES
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return name in names
    return True


async def _refuse(send):
    body = REFUSED.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def browser_of(cookies):
    """Which browser has sent a request: str that nobody can guess; None where it is not known yet.

    Args:
        cookies: the header, str.
    """
    found = _BROWSER.search(cookies)
    return found and found[1]


def _named(scope):
    """The header that gives a browser its name, where it opens the page without one: a list. No
    script can read it, and no other page's requests carry it."""
    cookies = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
    if scope["path"] != "/" or browser_of(cookies):
        return []
    value = f"{COOKIE}={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Lax"
    return [(b"set-cookie", value.encode())]


def _with_headers(send, more=()):
    """`send` that adds `HEADERS`, and more of them, to a response."""

    async def send_more(message):
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in HEADERS]
            message = {**message, "headers": [*kept, *HEADERS.items(), *more]}
        await send(message)

    return send_more

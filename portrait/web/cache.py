"""The page's own answers, made once.

Gradio writes the page and its list of components anew for each request, tens of milliseconds of a
processor on which pictures are being drawn. They do not change while the studio runs.
"""

PATHS = ("/", "/config")
VARIES = (b"host", b"origin", b"accept-encoding")  # headers that the answer depends on
# Of proxies: Gradio makes the page's own address of them, so such answers are not kept.
PROXIED = (b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")
MOST = 16  # answers that are kept: two paths, a few host names, a few encodings of browsers


class Cached:
    """ASGI middleware that answers `GET` of `PATHS`, without a query, from memory.

    Only for an application that gives everybody the same page: none with a login.

    Args:
        app: the ASGI application behind it. Of its answers, those of status 200 are kept.
    """

    def __init__(self, app):
        self.app, self.kept = app, {}

    async def __call__(self, scope, receive, send):
        if not _is_fixed(scope):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        key = (scope["path"], *(headers.get(name) for name in VARIES))
        messages = self.kept.get(key)
        if messages is None:
            messages = []
            await self.app(scope, receive, _recorded(send, messages))
            if _is_whole(messages) and len(self.kept) < MOST:
                self.kept[key] = messages
            return
        for message in messages:
            await send(message)


def _is_fixed(scope):
    """Whether a request asks for what does not change."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and scope["path"] in PATHS
        and not scope.get("query_string")
        and not any(name in PROXIED for name, _ in scope["headers"])
    )


def _is_whole(messages):
    """Whether an answer is of status 200 and has been sent to its end."""
    return (
        len(messages) > 1
        and messages[0].get("status") == 200
        and not messages[-1].get("more_body", False)
    )


def _recorded(send, messages):
    """`send` that appends what it sends to `messages`."""

    async def send_recorded(message):
        messages.append(message)
        await send(message)

    return send_recorded

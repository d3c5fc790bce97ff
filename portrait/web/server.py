"""From the page to a port of this machine: `python -m portrait studio`."""

import functools
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from importlib.util import find_spec

import click

from common.cli import STOPPED

ADDRESS, EVERYWHERE = "127.0.0.1", "0.0.0.0"
USER, SHORTEST = "studio", 10  # who logs in; characters of a password
MAX_UPLOAD = "64mb"


def reserve(port, listen=False):
    """A socket that listens on a port; closes as a context manager.

    Args:
        port: its number.
        listen: whether other machines may ask, too.

    Raises:
        ValueError: another program holds the port.
    """
    # asyncio sets TCP_NODELAY only on sockets that were made with IPPROTO_TCP; without it Nagle's
    # algorithm delays short answers by up to 40 ms.
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((EVERYWHERE if listen else ADDRESS, port))
        place.listen()
    except OSError as error:
        place.close()
        raise ValueError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port."
        ) from None
    return place


def check_installed():
    """Refuse to begin without the page's package.

    Raises:
        ValueError: one sentence.
    """
    if find_spec("gradio") is None:
        raise ValueError("the studio needs one more package: pip install -e '.[studio]'")


def check_password(listen, password):
    """Refuse to answer other machines without a password, or with a short one.

    Raises:
        ValueError: one sentence.
    """
    if listen and len(password) < SHORTEST:
        raise ValueError(
            f"--listen lets other machines in, and demands a password of at least {SHORTEST} "
            "characters: add --password, or set PORTRAITS_PASSWORD."
        )
    if password and not listen:
        raise ValueError("a password is for other machines: add --listen, or leave it away.")


def run(place, weights, open_browser, people, password=""):
    """Load the models once, and answer until Ctrl-C. What was drawn is removed then.

    Args:
        place: of `reserve`.
        weights: of the model; None for the shipped one.
        open_browser: whether to show the page.
        people: folder of those who are learned.
        password: that other machines must know; "" where none may ask.

    Raises:
        ValueError: the weights cannot be used.
    """
    import uvicorn

    from ddpm.bundle import default_weights, find_bundle
    from ddpm.pipeline import Pipeline
    from portrait.web import drawing
    from portrait.web.studio import Studio

    port = place.getsockname()[1]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # so that the folder goes, too
    with tempfile.TemporaryDirectory(prefix="portraits-studio-") as folder:
        path = find_bundle(weights or default_weights(words=True))
        studio = Studio(Pipeline.load(path), folder, people)
        settings = uvicorn.Config(
            make_app(studio, port, password), log_level="warning", timeout_graceful_shutdown=2
        )
        drawing.warm_up(studio)
        url = f"http://{ADDRESS}:{port}"
        click.echo(f"The studio, with {studio.name}: {url}  (Ctrl-C ends it)")
        if password:
            click.echo(
                f"Other machines are let in at http://{socket.gethostname()}:{port} as {USER!r} "
                "with the password, over a connection that is not encrypted. Whoever knows it can "
                "draw, learn people, and see and delete those who are learned."
            )
        if open_browser:  # in a thread, for some browsers return only when they are closed
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        try:
            uvicorn.Server(settings).run(sockets=[place])
        finally:
            studio.jobs.close()
            studio.people.close()


def make_app(studio, port, password=""):
    """The studio as an ASGI application.

    Args:
        studio: `studio.Studio`.
        port: that it is served on, which requests must name.
        password: that is asked for, of everybody; "" where only this machine may ask.

    Returns:
        `guard.Guard` round the page.
    """
    # Read when Gradio is imported, or later at each use.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(studio.folder / "page")
    os.environ["HF_HUB_OFFLINE"] = "1"
    import fastapi
    import gradio
    import safehttpx

    from portrait.web import page
    from portrait.web.cache import Cached
    from portrait.web.guard import Guard

    # Gradio would fetch whatever address a request names as a file, by one of these two.
    safehttpx.get = safehttpx.async_validate_url = _ask_nobody
    _replace_under_own_number(gradio.state_holder.SessionState)
    blocks = page.make_page(studio, alone=not password)
    # Set by Gradio's own `launch`, and without it a job takes any file of the machine for a photo
    # that was sent.
    blocks.has_launched = True
    app = gradio.mount_gradio_app(
        fastapi.FastAPI(openapi_url=None),
        blocks,
        path="/",
        auth=(USER, password) if password else None,
        auth_message=f"Log in as {USER!r}.",
        server_name=EVERYWHERE if password else ADDRESS,
        server_port=port,
        allowed_paths=[str(studio.folder / "pictures")],
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        run_history=False,
        footer_links=[],
        theme=page.make_theme(),
        css=page.CSS,
        head=page.HEAD,
    )
    host = socket.gethostname().lower()
    if password:
        return Guard(app, port, (host, f"{host}.local"))
    return Guard(Cached(app), port)


def _replace_under_own_number(state):
    """Let components that an update makes anew keep the number of the one they replace.

    Gradio gives them another, under which the next value is filed as well, and so would be every
    job's whole gallery for as long as a visit lasts.

    Args:
        state: Gradio's class `SessionState`.
    """
    put = state.__setitem__
    if getattr(put, "__wrapped__", None):
        return  # by an earlier app of this process

    @functools.wraps(put)
    def put_under_own_number(self, key, value):
        if key in self.blocks_config.blocks and hasattr(value, "_id"):
            value._id = key
        put(self, key, value)

    state.__setitem__ = put_under_own_number


async def _ask_nobody(address, **_):
    """Refuse to ask another machine.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"the studio asks no other machine for {address}.")

"""Refuse a Python process, and those that it starts, every other machine, and note what was asked.

Python imports this by itself where the folder is in `PYTHONPATH`. The file that `ASKED_ELSEWHERE`
names gets a line for each refusal.
"""

import os
import sys

NOTED = os.environ.get("ASKED_ELSEWHERE")
OURS = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "", None)
BY_NAME = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
BY_ADDRESS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def watch(event, given):
    """Refuse what asks another machine; an audit hook (PEP 578), which no code of the process can
    take away.

    Raises:
        OSError: it does.
    """
    if event in BY_NAME:
        host = given[0]
    elif event in BY_ADDRESS and isinstance(given[1], tuple):  # no path of a Unix socket
        host = given[1][0]
    else:
        return
    host = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if host not in OURS:
        with open(NOTED, "a") as noted:
            noted.write(f"{event} {host}\n")
        raise OSError(f"{host} is another machine")


if NOTED:
    sys.addaudithook(watch)

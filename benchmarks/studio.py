"""The studio under load. Written to benchmarks/results/studio.json.

    pip install -e ".[studio]"
    python -m benchmarks.studio          # three starts; 20 users, five minutes; then 200 jobs

Of a start: how long until the page answers, beside how long it takes to load the model alone; then,
on a page that is there for a while, how long after a press the first preview comes.

The server is a process of its own, `python -m portrait studio`, on loopback. Each user has a
cookie of their own, as a browser has, and presses Draw for one picture after the other, with a seed
that nobody else has; beside it they load the page again and again. What comes back must say that
seed in its recipe. Then one user draws 200 times, and the server's memory is read after every
tenth.
"""

import itertools
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import click
import numpy as np

from benchmarks.common import RESULTS, ROOT, machine, merge_json
from common.cli import sentences
from common.sheets import read_recipe

PARTS = ("start", "crowd", "alone")
LOOKED_AT = ("/", "/theme.css?v=1", "/gradio_api/startup-events")  # and the page's own assets
ASSETS = re.compile(r'(?:src|href)="\./(assets/[^"]+)"')
FULL = re.compile(r"queue is full.*\d", re.IGNORECASE)
STEPS, EVERY, PAUSE = 4, 10, 1.0  # of a drawing; jobs between two readings; seconds between looks
STARTS, READ = 3, 30.0  # starts; seconds from the page to the first press
LOAD = """
from ddpm.bundle import default_weights, find_bundle
from ddpm.pipeline import Pipeline
Pipeline.load(find_bundle({} or default_weights(words=True)))
"""


class Server:
    """The studio in a process of its own, which ends with the block.

    Args:
        weights: of its model; None for the shipped one.
        folder: for people, and for what it says.
    """

    def __init__(self, weights, folder):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        words = ["studio", "--no-browser", "--port", str(port), "--people", str(folder / "people")]
        self.command = [sys.executable, "-m", "portrait", *words]
        self.command += ["--weights", str(weights)] if weights else []

    def __enter__(self):
        with open(self.folder / "studio.log", "w") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=log, stderr=log)
        try:
            self.page = Page(self.url, self.process)
        except BaseException:  # `with` ends no block that it has not entered
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(30)

    def memory(self):
        """Resident memory, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


class Page:
    """What a browser knows of the page: where the button Draw is, and what it sends.

    Args:
        url: of the server.
        process: of it, to see where it has died.
    """

    def __init__(self, url, process):
        import httpx

        self.url, end = url, time.monotonic() + 180
        while True:
            try:
                config = httpx.get(f"{url}/config", timeout=10).json()
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > end:
                    raise ValueError("the studio did not start; see its log.") from None
                time.sleep(0.1)
        self.paths = (*LOOKED_AT, *(f"/{path}" for path in ASSETS.findall(httpx.get(url).text)))
        self.components = {one["id"]: one for one in config["components"]}
        button = next(
            i
            for i, one in self.components.items()
            if one["type"] == "button" and one["props"].get("value") == "Draw"
        )
        asked = next(d for d in config["dependencies"] if [button, "click"] in d["targets"])
        self.draw = next(
            d
            for d in config["dependencies"]
            if d["trigger_after"] == asked["id"] and d["trigger_only_on_success"]
        )

    def fields(self, **given):
        """What the button sends: the fields' own values, but for some, by label."""
        values = []
        for i in self.draw["inputs"]:
            props = self.components[i]["props"]
            values.append(given.get(props.get("label"), props.get("value")))
        return values


class User:
    """Somebody at the page.

    Args:
        page: `Page`.
        number: 0, 1, ...; of the user.
    """

    def __init__(self, page, number):
        import httpx

        self.page, self.number = page, number
        self.client = httpx.Client(base_url=page.url, timeout=600)
        self.client.get("/")  # for the cookie
        self.drawn, self.full, self.wrong, self.seconds, self.looks = 0, 0, [], [], []

    def press(self, k):
        """Draw one picture on the user's one page, and see whether it is one's own."""
        seed, session = self.number * 100_000 + k, f"user{self.number}"
        given = {"Pictures": 1, "Seed": seed, "A new seed each time": False, "Steps": STEPS}
        began = time.monotonic()
        answer = self._join(session, given)
        if answer.status_code != 200:
            self._note(answer.text)
            return
        last = self._listen(session)
        if not last.get("success"):
            self._note(json.dumps(last))
            return
        files = re.findall(r'"url": ?"([^"]+\.png)"', json.dumps(last["output"]["data"]))
        found = self._seed_of(files[0]) if files else "no picture"
        if found != seed:
            self.wrong.append(f"seed {found} in place of {seed}")
            return
        self.drawn += 1
        self.seconds.append(time.monotonic() - began)

    def seconds_to_preview(self, prompt):
        """From the press of Draw, the form as it stands, to the first x0_hat."""
        session, began = f"preview{self.number}{prompt}", time.monotonic()
        self._join(session, {"Prompt": prompt}).raise_for_status()
        message = {}
        for line, message in self._lines(session):  # noqa: B007 - the last one is wanted
            if "Step 1 of" in line:
                seconds = time.monotonic() - began
        if not message.get("success"):
            raise ValueError(f"no preview came: {json.dumps(message)[:300]}")
        return seconds  # after the end, for whoever leaves before it leaves a job behind

    def _join(self, session, given):
        job = {"fn_index": self.page.draw["id"], "session_hash": session}
        job["data"] = self.page.fields(**given)
        return self.client.post("/gradio_api/queue/join", json=job)

    def _seed_of(self, url):
        """The seed that a picture says."""
        with NamedTemporaryFile(suffix=".png") as file:
            file.write(self.client.get(url.split(self.page.url)[-1]).content)
            file.flush()
            return read_recipe(file.name).get("seed")

    def _listen(self, session):
        """The last message about a job."""
        *_, (_, last) = self._lines(session)
        return last

    def _lines(self, session):
        """The messages about a job, to its last: (as they are sent, as dictionaries)."""
        with self.client.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": session}
        ) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                yield line, message
                if message.get("msg") in ("process_completed", "unexpected_error"):
                    return
        yield "", {"error": "the connection was closed"}

    def _note(self, said):
        if FULL.search(said):
            self.full += 1
            time.sleep(PAUSE)
        else:
            self.wrong.append(said[:300])

    def stay(self, until):
        """Draw, and look at the page, until a moment."""

        def look():
            import httpx

            with httpx.Client(base_url=self.page.url, timeout=600) as client:
                for path in itertools.cycle(self.page.paths):
                    if time.monotonic() > until:
                        return
                    began = time.monotonic()
                    client.get(path).raise_for_status()
                    self.looks.append(time.monotonic() - began)
                    time.sleep(PAUSE)

        looking = threading.Thread(target=look)
        looking.start()
        for k in itertools.count():
            if time.monotonic() > until:
                break
            self.press(k)
        looking.join()


def start(weights, folder):
    """A server that begins, some times: a dict for the result file."""
    found = {"load_s": [], "page_s": [], "preview_s": [], "preview_without_a_prompt_s": []}
    for _ in range(STARTS):
        began = time.monotonic()
        load = LOAD.format(weights and repr(str(weights)))
        subprocess.run([sys.executable, "-c", load], cwd=ROOT, check=True)
        found["load_s"].append(time.monotonic() - began)
        began = time.monotonic()
        with Server(weights, folder) as server:
            found["page_s"].append(time.monotonic() - began)
            time.sleep(READ)
            user = User(server.page, 0)
            found["preview_s"].append(user.seconds_to_preview("a woman"))
            found["preview_without_a_prompt_s"].append(user.seconds_to_preview(""))
    return found


def crowd(page, users, seconds):
    """Many users at once: a dict for the result file."""
    people, until = [User(page, number) for number in range(users)], time.monotonic() + seconds
    threads = [threading.Thread(target=person.stay, args=(until,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    looks = [one for person in people for one in person.looks]
    waits = [one for person in people for one in person.seconds]
    return {
        "users": users,
        "seconds": seconds,
        "pictures": sum(person.drawn for person in people),
        "fewest_of_a_user": min(person.drawn for person in people),
        "queue_is_full": sum(person.full for person in people),
        "wrong": [said for person in people for said in person.wrong],
        "seconds_to_picture": {"median": float(np.median(waits)), "most": max(waits)},
        "page_requests": len(looks),
        "page_ms": {str(q): float(np.percentile(looks, q)) * 1000 for q in (50, 99, 100)},
    }


def alone(server, jobs):
    """One user, many jobs, and the server's memory: a dict for the result file."""
    user, memory = User(server.page, 999), []
    for k in range(jobs):
        user.press(k)
        if (k + 1) % EVERY == 0:
            memory.append(server.memory())
    return {"jobs": jobs, "pictures": user.drawn, "wrong": user.wrong, "memory_mb": memory}


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="[default: the shipped model]")
@click.option("--users", type=click.IntRange(1), default=20)
@click.option("--seconds", type=click.IntRange(1), default=300)
@click.option("--jobs", type=click.IntRange(EVERY), default=200)
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, default=PARTS)
@click.option("--out", type=Path, default=RESULTS / "studio.json", help="JSON; other parts stay.")
@sentences()
def main(weights, users, seconds, jobs, parts, out):
    """Measure the studio under load."""
    result = {"machine": machine()}
    with TemporaryDirectory() as folder:
        if "start" in parts:
            result["start"] = start(weights, Path(folder))
        if {"crowd", "alone"}.intersection(parts):
            with Server(weights, Path(folder)) as server:
                if "crowd" in parts:
                    result["crowd"] = crowd(server.page, users, seconds)
                if "alone" in parts:
                    result["alone"] = alone(server, jobs)
    merge_json(result, out)
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

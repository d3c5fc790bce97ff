"""docs/studio.md: the studio in the browser, a picture of each tab.

The pictures are taken by a real browser, Debian's package chromium, which Playwright drives. The
photograph is NASA's of Eileen Collins (from scikit-image), in the public domain.
"""

import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import photographs
from common.sheets import save_png
from data import make_faces
from docs.shared import ROOT, Page, save_picture, table

BROWSER = ("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking")
BROWSER += ("--disable-component-update", "--disable-sync")
WIDTH, HEIGHT = 1280, 900
TABS = ("Draw", "Portrait", "Paint in", "Faces", "People", "How it works", "PNG info")
PICTURES = "button.gallery-item img, button.thumbnail-item img"
PROMPT = "a smiling woman with long straight black hair and glasses"


def draw_tabs(models):
    """Begin a studio, do the main job of each tab, and take a picture of it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = ["-m", "portrait", "studio", "--no-browser", "--port", str(port), *models.options()]
    with tempfile.TemporaryDirectory() as folder:
        words += ["--people", f"{folder}/people"]
        _serve([sys.executable, *words], port, Path(folder))


def _serve(command, port, folder):
    """Begin a studio, visit it, and end it."""
    from playwright.sync_api import sync_playwright

    server = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait_for(f"http://127.0.0.1:{port}", server)
        with sync_playwright() as driver:
            chromium = shutil.which("chromium")
            browser = driver.chromium.launch(executable_path=chromium, args=list(BROWSER))
            visit(browser, f"http://127.0.0.1:{port}", folder)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _wait_for(url, server):
    for _ in range(120):
        if server.poll() is not None:
            raise ValueError("the studio did not begin; see what it has printed.")
        try:
            urllib.request.urlopen(url)
            return
        except OSError:
            time.sleep(1)
    raise ValueError(f"{url} did not answer in two minutes.")


def visit(browser, url, folder):
    """The main job of each tab.

    Args:
        browser: Playwright's.
        url: of the studio.
        folder: for files that are dropped onto the page.
    """
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_default_timeout(240_000)
    page.goto(url)
    picture = _draw(page, folder)
    paths = {}
    for name, image in photographs().items():
        paths[name] = str(folder / f"{name}.png")
        save_png(image, paths[name])
    _portrait(page, paths)
    _paint(page, paths["astronaut"])
    album = [str(path) for path in _album(folder / "album")]
    _faces(page, [*paths.values(), *album[:3]])
    _people(page, [*album, *paths.values()])
    _lecture(page)
    page.get_by_role("tab", name="PNG info").click()
    page.locator("input[type=file]").last.set_input_files(str(picture))
    page.locator("dl.recipe:visible").wait_for()
    _take(page, "studio_info")
    _dark(page)
    page.goto(f"{url}?__theme=dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(PICTURES).first.wait_for()  # the work is there again
    _take(page, "studio_narrow", full=False, photographs=True)


def _dark(page):
    """One picture of the top of every tab in dark colours, with the work that is in them."""
    page.evaluate("document.body.classList.add('dark')")
    shots = []
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        time.sleep(1.5)
        page.evaluate("scrollTo(0, 0)")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shots.append(shot.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.LANCZOS))
    sheet = Image.new("RGB", (WIDTH, -(-len(TABS) // 2) * HEIGHT // 2))
    for i, shot in enumerate(shots):
        sheet.paste(shot, (i % 2 * WIDTH // 2, i // 2 * HEIGHT // 2))
    _save(sheet, "studio_dark", photographs=True)


def _album(folder):
    """Seven photos of one person, rendered: list of paths."""
    rendered = make_faces(folder / "set", 7, 1, 320, 12, drawn=0.0)
    paths = []
    for i, image in enumerate(np.load(rendered / "images.npy")):
        paths.append(folder / f"eva_{i}.png")
        save_png(image, paths[-1])
    return paths


def _draw(page, folder):
    """Draw four pictures, and a grid of two settings; the path of one of the pictures."""
    page.get_by_label("Prompt", exact=True).first.fill(PROMPT)
    page.get_by_label("A new seed each time").first.uncheck()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_text("4 pictures.", exact=True).wait_for()
    made = page.locator(PICTURES).first
    picture = folder / "picture.png"
    picture.write_bytes(urllib.request.urlopen(made.get_attribute("src")).read())
    page.locator("button.label-wrap:visible", has_text="A grid of two settings").click()
    page.get_by_role("button", name="Draw the grid").click()
    page.get_by_text("12 pictures.", exact=True).wait_for()
    _take(page, "studio_draw")
    return picture


def _portrait(page, paths):
    page.get_by_role("tab", name="Portrait").click()
    page.locator("#template input[type=file]").set_input_files(paths["astronaut"])
    page.locator("#references input[type=file]").set_input_files(paths["grace_hopper"])
    page.get_by_text("photo 1: One face").wait_for()
    page.get_by_role("button", name="Paint", exact=True).click()
    page.get_by_text("The portrait is ready.").wait_for()
    _take(page, "studio_portrait", photographs=True)


def _paint(page, photo):
    page.get_by_role("tab", name="Paint in").click()
    page.locator("#canvas canvas").first.wait_for()
    time.sleep(3)  # until the editor is ready: it loses a file that comes earlier
    page.locator("#canvas input[type=file]").first.set_input_files(photo)
    canvas = page.locator("canvas:visible").first
    canvas.wait_for()
    time.sleep(2)
    _brush(page, canvas)
    page.get_by_label("Prompt", exact=True).locator("visible=true").fill(
        "a woman with red hair and glasses"
    )
    page.get_by_role("button", name="Paint", exact=True).click()
    page.get_by_text("1 picture.", exact=True).wait_for()
    _take(page, "studio_paint", photographs=True)


def _faces(page, paths):
    page.get_by_role("tab", name="Faces").click()
    page.locator("#photographs input[type=file]").set_input_files(paths)
    page.get_by_role("button", name="Sort", exact=True).click()
    page.get_by_text(f"{len(paths)} photos done.").wait_for()
    _take(page, "studio_faces", photographs=True)


def _people(page, paths):
    page.get_by_role("tab", name="People").click()
    page.locator("#person_photos input[type=file]").set_input_files(paths)
    page.get_by_text(f"of {len(paths)} photos count.").wait_for()
    page.get_by_label("Name", exact=True).fill("eva")
    _take(page, "studio_people", photographs=True)


def _lecture(page):
    page.get_by_role("tab", name="How it works").click()
    page.get_by_label("Prompt", exact=True).locator("visible=true").fill(
        "a woman with a red hat and glasses"
    )
    page.get_by_role("button", name="Draw its way").click()
    page.get_by_text("Move the slider.", exact=True).wait_for()
    time.sleep(2)  # until the slider has its new length
    level = page.get_by_label("Level, from noise to picture").last
    level.focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        time.sleep(0.3)
    page.get_by_role("button", name="Show the attention").click()
    page.get_by_text("Attention at t =").wait_for()
    page.get_by_role("button", name="Sweep the guidance").click()
    page.get_by_text("Every weight began").wait_for()
    page.get_by_role("button", name="Compare the samplers").click()
    page.get_by_text("Every sampler began").wait_for()
    _take(page, "studio_lecture")


def _brush(page, canvas):
    """Brush over the hair of the photograph."""
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 62, y - 110)
    page.mouse.down()
    for dx, dy in ((-50, -150), (-20, -165), (10, -160), (35, -130), (35, -95)):
        page.mouse.move(x + dx, y + dy, steps=6)
    page.mouse.up()
    time.sleep(0.5)


def _take(page, name, full=True, photographs=False):
    """Write docs/pictures/NAME.png, in 255 colours: a page has few, unless it shows photographs,
    for which they are mixed."""
    time.sleep(1.5)  # until what was drawn last is shown
    _save(Image.open(io.BytesIO(page.screenshot(full_page=full))).convert("RGB"), name, photographs)


def _save(taken, name, photographs):
    """See `_take`."""
    if photographs:
        palette = taken.quantize(255, method=Image.Quantize.MAXCOVERAGE)
        taken = taken.quantize(255, palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    else:
        taken = taken.quantize(255, dither=Image.Dither.NONE)
    save_picture(taken, name)


def context(results):
    found = results["studio"]
    crowd, alone = found["crowd"], found["alone"]
    memory = alone["memory_mb"]
    each = max(1, len(memory) // 4)  # the first quarter is warming up
    wait = crowd["seconds_to_picture"]
    rows = [
        ("pictures drawn", crowd["pictures"], ""),
        ("of the user who got the fewest", crowd["fewest_of_a_user"], ""),
        ("somebody else's picture, an error, a lost one", len(crowd["wrong"]), "0"),
        ("told that the queue is full", crowd["queue_is_full"], ""),
        ("seconds to a picture, median", f"{wait['median']:.1f}", ""),
        ("page requests, of which 99% within", f"{crowd['page_ms']['99']:.0f} ms", "300 ms"),
        (f"memory after {each * alone['jobs'] // len(memory)} jobs", f"{memory[each - 1]:.0f} MB",
         ""),
        (f"memory after {alone['jobs']} jobs", f"{memory[-1]:.0f} MB", "flat"),
    ]  # fmt: skip
    began = {name: f"{np.median(times):.1f} s" for name, times in found["start"].items()}
    soon = [
        ("from the command to the page", began["page_s"], ""),
        ("of these, Python and the model alone", began["load_s"], "all but 3 s"),
        ("from a press to the first preview", began["preview_s"], "1 s"),
        ("the same without a prompt", began["preview_without_a_prompt_s"], "1 s"),
    ]
    return {
        "starts": len(found["start"]["page_s"]),
        "start": table(["what", "measured", "wanted"], soon),
        "users": crowd["users"],
        "minutes": f"{crowd['seconds'] / 60:g}",
        "jobs": alone["jobs"],
        "load": table(["what", "measured", "wanted"], rows),
    }


PAGE = Page("docs/studio.md", {"studio": "studio.json"}, context, {"studio": draw_tabs})

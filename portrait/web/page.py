"""The page: its tabs, its style, its shortcuts."""

import gradio as gr

from portrait.web import markup
from portrait.web.jobs import MAX_WAITING
from portrait.web.markup import NONE
from portrait.web.tabs import draw, faces, info, lecture, paint, people, portrait
from portrait.web.tabs.parts import (
    MODEL,
    QUICK,
    browser_of,
    check_nothing,
    desk_of,
    leaving,
)

TITLE = "Portraits from scratch"
EVERY, LOOKS = 2.0, 3  # seconds between two looks for what an earlier page has begun; how many
DONE = -1  # in place of looks: something went on
GOES_ON = markup.notice(["What was begun before the reload goes on; its pictures will come here."])
CSS = """
.gradio-container { width: 100% !important; max-width: min(1180px, 100vw) !important;
  margin: 0 auto !important; }
.tabs { min-width: 0; }
@media (max-width: 480px) {
  .tab-wrapper button { padding-left: 8px !important; padding-right: 8px !important; }
}
.notice { border-left: 4px solid #2a6fb0; padding: 4px 12px; margin: 4px 0;
  background: var(--background-fill-secondary); }
.notice.problem { border-left-color: #b7791f; }
.notice[hidden] { display: none; }
.toast-body.error { background: var(--background-fill-secondary) !important;
  border: 0 !important; border-left: 4px solid #b7791f !important; }
.toast-body.error :is(.toast-title, .toast-icon) { display: none !important; }
.toast-body.error * { color: var(--body-text-color) !important; }
.toast-body.error .timer { background: #b7791f !important; }
.notice p, .work p { margin: 2px 0; }
.work progress { width: 100%; height: 10px; }
.sheet { max-width: 100%; max-height: 640px; display: block; margin: 6px auto; }
.cells { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.cells + .cells { margin-top: 12px; }
.cells figure, .steps figure { margin: 0; min-width: 0; }
.cells img, .steps img { width: 100%; image-rendering: pixelated; display: block; }
.cells svg, .curves svg { width: 100%; height: auto; display: block; }
figcaption { font-size: 0.85rem; overflow-wrap: anywhere; }
figcaption code, .equations code { font-size: 0.7rem; opacity: 0.85; }
.scroll { overflow-x: auto; max-width: calc(100vw - 64px); }
.steps table { border-collapse: collapse; }
.steps th, .steps td { padding: 4px 6px; text-align: left; vertical-align: top; }
.steps td { width: 130px; min-width: 96px; }
.control { width: 96px; image-rendering: pixelated; display: block; }
.pair { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); }
.pair figure { margin: 0; } .pair img { max-width: 100%; max-height: 340px; display: block; }
.cells.photos img { image-rendering: auto; }
.rows table { border-collapse: collapse; width: 100%; }
.rows caption { text-align: left; font-size: 0.85rem; padding-bottom: 4px; }
.rows th, .rows td { padding: 4px 8px; text-align: left; vertical-align: top; }
.rows th, .rows td, .rows tr { border-color: var(--border-color-primary) !important; }
.rows meter { width: 120px; }
.rows img { height: 64px; width: auto; max-width: none; display: block; }
.people { grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); }
.equations p { font-family: var(--font-mono); font-size: 0.9rem; margin: 5px 0;
  overflow-wrap: anywhere; }
dl.recipe { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; }
dl.recipe dt { opacity: 0.75; } dl.recipe dd { margin: 0; overflow-wrap: anywhere; }
"""
# Ctrl-Enter presses the main button of the tab that is shown; a job shows the problems that a
# changed field has hidden; what answers a press is scrolled to; arrow keys go from tab to tab.
HEAD = """<script>
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const shown = [...document.querySelectorAll(".begin button, button.begin")]
    .find((button) => button.offsetParent !== null);
  if (shown) { event.preventDefault(); shown.click(); }
});
document.addEventListener("click", (event) => {
  pressed = event.target.closest("button") ? Date.now() : 0;
  const begin = event.target.closest(".begin");
  let block = begin;  // the same sentence may come again, where the button's own are
  while (block && !block.matches("[role=tabpanel]") && !block.querySelector(".notice.problem")) {
    block = block.parentElement;
    const others = [...block.querySelectorAll(".begin")];
    if (others.some((one) => !begin.contains(one) && !one.contains(begin))) return;
  }
  block?.querySelectorAll(".notice.problem[hidden]").forEach((one) => { one.hidden = false; });
});
let pressed = 0;
const SOON = 1500;  // milliseconds in which an answer is that of a press
new MutationObserver((changes) => {
  if (Date.now() - pressed > SOON) return;
  const answers = changes.flatMap((change) => [...change.addedNodes])
    .filter((node) => node.matches?.(".notice, .work") && node.offsetParent !== null);
  answers.slice(0, 1).forEach((node) => node.scrollIntoView({ block: "nearest" }));
}).observe(document, { childList: true, subtree: true });
document.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const list = way && event.target.closest("[role=tablist]");
  if (!list) return;
  const tabs = [...list.querySelectorAll("[role=tab]")].filter((tab) => tab.offsetParent !== null);
  const next = tabs[(tabs.indexOf(event.target) + way + tabs.length) % tabs.length];
  if (next) { event.preventDefault(); next.focus(); }
});
</script>"""


def make_theme():
    """Gradio's default with the system's own fonts, and with contrasts of at least 4.5 (WCAG 2.1,
    criterion 1.4.3), which its orange under white and its light greys have not."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "Menlo", "Consolas", "monospace"]
    colours = {"body_text_color_subdued": "*neutral_600", "block_info_text_color": "*neutral_600"}
    for mode in ("", "_dark"):
        colours[f"button_primary_background_fill{mode}"] = "*primary_700"
        colours[f"button_primary_background_fill_hover{mode}"] = "*primary_800"
        colours[f"button_primary_text_color{mode}"] = "white"
    return gr.themes.Default(font=sans, font_mono=mono).set(**colours)


def restored(studio, restore):
    """A handler that shows what a browser has worked on, after a reload."""

    def load(request: gr.Request):
        found = restore(desk_of(studio, request))
        return found if len(found) > 1 else found[0]  # as Gradio wants it

    return load


def _follow(studio, places):
    """After a reload, show what an earlier page has begun once it is done.

    Args:
        places: of tabs: (a place for sentences, restore, outputs), of which the first are pictures.
    """
    timer, left = gr.Timer(EVERY), gr.State(LOOKS)
    outputs = [one for said, _, shown in places for one in (said, *shown)]

    def look(left, request: gr.Request):
        desk, goes_on = desk_of(studio, request), studio.jobs.has((browser_of(request), MODEL))
        if goes_on:
            told = [one for _, _, shown in places for one in (GOES_ON, *[gr.skip()] * len(shown))]
            return gr.skip(), DONE, *told
        if left not in (0, DONE):  # the earlier page may not have left yet
            return gr.skip(), left - 1, *[gr.skip()] * len(outputs)
        told = [one for _, restore, shown in places
                for one in (NONE, *restore(desk)[: len(shown)])]  # fmt: skip
        nothing = [gr.skip()] * len(outputs)
        return gr.Timer(active=False), 0, *(told if left == DONE else nothing)

    timer.tick(look, left, [timer, left, *outputs], queue=False, **QUICK)


def _halves(parts):
    """What a tab returns: (what a recipe is sent to, what restores it)."""
    return parts[:2], parts[2:]


def make_page(studio, alone=True):
    """All tabs: `gr.Blocks`.

    Args:
        studio: `studio.Studio`.
        alone: whether only the machine that runs it can open the page.
    """
    check_nothing()
    machine = "this machine" if alone else "the machine that runs the studio"
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{studio.name}, {studio.pipeline.size} px. Nothing that you do "
                    f"here leaves {machine}.")  # fmt: skip
        with gr.Tabs() as tabs:
            with gr.Tab("Draw", id="draw"):
                to_draw, drawn = _halves(draw.tab(studio))
            with gr.Tab("Portrait", id="portrait"):
                to_portrait, painted = _halves(portrait.tab(studio))
            with gr.Tab("Paint in", id="paint"):
                to_paint, filled_in = _halves(paint.tab(studio))
            with gr.Tab("Faces", id="faces"):
                sorted_out = faces.tab(studio)
            with gr.Tab("People", id="people"):
                people.tab(studio)
            with gr.Tab("How it works", id="lecture"):
                lecture.tab(studio)
            with gr.Tab("PNG info", id="info"):
                goals = {"draw": to_draw, "portrait": to_portrait, "paint": to_paint}
                info.tab(studio, tabs, goals)
        for restore, outputs in (drawn, painted, filled_in, sorted_out):
            page.load(restored(studio, restore), None, outputs, **QUICK)
        _follow(
            studio,
            [(to_draw[0], drawn[0], drawn[1][:2]), (to_paint[0], filled_in[0], filled_in[1][:1])],
        )
        page.unload(leaving(studio))
    # So long that the sentence about a full queue, `jobs.FULL`, comes before Gradio's.
    page.queue(default_concurrency_limit=8, max_size=8 * MAX_WAITING)
    return page

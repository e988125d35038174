"""Make the pictures of the docs, from real sites in a real browser.

    python tools/screenshots.py [NAME ...]

``make screenshots`` runs this. Writes ``docs/_static/<name>.png`` for all ``PICTURES``, or for
those named. The live status is taken after ten minutes with visitors, the others meanwhile.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from PIL import Image
from typing import NamedTuple

import sys
import tempfile

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "browser"))

from chromium import Browser  # noqa: E402
from outside import Outside  # noqa: E402
from sites import start_site  # noqa: E402
from status_site import start_status_site  # noqa: E402
from visitors import start_visited_site  # noqa: E402

import instances  # noqa: E402

FOLDER = ROOT / "docs" / "_static"

#: Pixels of the page around the shown elements.
MARGIN = 12

#: How many pixels of the picture each pixel of the page has, for fine screens.
SCALE = 1.5

#: How many colours a picture has: few suffice for a page, and keep the files small.
COLOURS = 64

#: How each site is started.
SITES = {"status": start_visited_site, "demo": start_site, "workers": start_status_site}

# What is done before a picture is taken


def demo(browser, site):
    browser.open(f"{site.site}/@@futures-demo")
    for page in ("held", "blocking"):
        figure = f"figure[data-page={page}]"
        browser.wait_for(lambda css=figure: browser.find(f"{css} button").is_enabled(), 200)
        browser.click(f"{figure} button")
        browser.wait_for(
            lambda css=figure: browser.find(f"{css} .futures-state").text == "200 of 200 answered",
            seconds=200,
        )


def parts(browser, site):
    browser.open(f"{site.site}/@@hold-parts?seconds=1")


def deferred(browser, site):
    browser.stall("*wsgifutures-part*")
    browser.open(f"{site.site}/@@hold-progressive")


def deferred_later(browser, site):
    """Show a part that has come, a part that is waited for, and a part that has failed."""
    for _ in range(2):  # the third fails every other time
        browser.open(f"{site.site}/@@hold-progressive?seconds=4")
        browser.wait_for(lambda: _busy(browser) == ["false", "true", "false"])
        if browser.all(".wsgifutures-part button"):
            break


def _busy(browser):
    return [part.get_attribute("aria-busy") for part in browser.all(".wsgifutures-part")]


def chat(browser, site):
    """Show an answer that is half said."""
    browser.open(f"{site.site}/@@stream-chat")
    browser.fill("#futures-chat-question", "Why does the first word come so soon?")
    browser.click("#futures-chat-form button")
    browser.wait_for(lambda: "While I talk" in browser.find(".wsgifutures-stream-text").text)


def panel(browser, site):
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@wsgifutures-controlpanel")


def panel_refused(browser, site):
    panel(browser, site)
    browser.fill("#form-widgets-max_passes", "many")
    browser.fill("#form-widgets-upstream_limits", "town.total = never")
    browser.click("#form-buttons-save")
    browser.find(".invalid-feedback")


def status(browser, site):
    site.wait_for_visitors()
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@futures-status")
    browser.wait_for(lambda: "Live." in browser.find(".futures-live").text)
    browser.hide()  # so that the page stays as it is


def status_cancel(browser, site):
    status(browser, site)
    browser.click("[data-cancel]")
    browser.find("dialog")


def workers(browser, site):
    """Show a worker that has a job, and one that waits to be approved."""
    scanner = Outside(site.site, "scanner on host7").introduce("scans")
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@wsgifutures-workers")
    browser.follow(f"[id='worker-{scanner.id}'] button[value^=approve]")
    Outside(site.site, "film on gpu2").introduce("film")
    site.submit("scan", number=3)
    claim = scanner.claim()
    browser.open(f"{site.site}/@@wsgifutures-workers")
    return scanner, claim


def status_elsewhere(browser, site):
    scanner, claim = workers(browser, site)
    browser.open(f"{site.site}/@@futures-jobs")
    part = "#futures-part-elsewhere"  # progress is written every few seconds
    browser.wait_for(lambda: scanner.tell(claim, 0.4) and "40 %" in browser.find(part).text)
    browser.hide()


def clock(browser, site):
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@wsgifutures-clock")
    browser.follow("[value='run:newsletter']")
    browser.wait_for(lambda: _is_done(browser, site))


def tokens(browser, site):
    browser.log_in(site.site)
    browser.open(f"{site.site}/@@wsgifutures-tokens")
    browser.fill("#token-name", "Nightly export on host7")
    browser.click("[value='read:@search']")
    browser.follow("#wsgifutures-tokens-make button")


def _is_done(browser, site):
    browser.open(f"{site.site}/@@wsgifutures-clock")
    return "Done" in browser.find("#work-newsletter").text


class Picture(NamedTuple):
    """A picture: the page to show, and its elements."""

    name: str
    site: str
    show: Callable
    elements: str  #: the shown elements of the page, as a CSS selector
    device: str = "docs"


LATER = "#content h1, .futures-later"
PANEL = "#content h1, #formfield-form-widgets-max_passes"
REFUSED = "#formfield-form-widgets-max_passes, #formfield-form-widgets-upstream_limits"
TOP = "#content h1, #futures-part-upstreams"
HELD = "#futures-part-held, #futures-part-last, #futures-part-workers"
TOKENS = "#content h1, #wsgifutures-tokens-made, #wsgifutures-tokens-list"

PICTURES = (
    Picture("demo", "demo", demo, "#futures-runs figcaption, #futures-runs dd"),
    Picture("ten-parts", "demo", parts, "#content h1, .futures-took"),
    Picture("chat", "demo", chat, ".futures-exchange, #futures-chat-form"),
    Picture("deferred", "demo", deferred, LATER),
    Picture("deferred-later", "demo", deferred_later, LATER),
    Picture("deferred-later-phone", "demo", deferred_later, LATER, "phone"),
    Picture("control-panel", "demo", panel, PANEL),
    Picture("control-panel-refused", "demo", panel_refused, REFUSED),
    Picture("status", "status", status, TOP),
    Picture("status-held", "status", status, HELD),
    Picture("status-cancel", "status", status_cancel, "dialog"),
    Picture("status-phone", "status", status, "#content h1, #futures-part-picture", "phone"),
    Picture("status-held-phone", "status", status, "#futures-part-held", "phone"),
    Picture("workers", "workers", workers, "#content h1, [id^=worker-]"),
    Picture("clock", "workers", clock, "#content h1, #work-newsletter"),
    Picture("tokens", "demo", tokens, TOKENS),
    Picture("status-elsewhere", "workers", status_elsewhere, "#futures-part-elsewhere"),
)


def main(names):
    wanted = [picture for picture in PICTURES if not names or picture.name in names]
    wrong = set(names) - {picture.name for picture in wanted}
    if wrong:
        names_of_all = ", ".join(picture.name for picture in PICTURES)
        sys.exit(f"No such picture: {', '.join(wrong)}. The pictures are: {names_of_all}")
    with tempfile.TemporaryDirectory() as folder:
        _take(wanted, Path(folder))


def _take(pictures, folder):
    instance = instances.demo()
    sites = {}
    browser = Browser(folder)
    try:
        for name in (name for name in SITES if name in {picture.site for picture in pictures}):
            sites[name] = SITES[name](instance, folder / name)
        for picture in pictures:
            _save(picture, browser, sites[picture.site])
    finally:
        browser.quit()
        for site in sites.values():
            site.stop()


def _save(picture, browser, site):
    browser.forget()
    browser.resize(picture.device)
    picture.show(browser, site)
    path = FOLDER / f"{picture.name}.png"
    _small(_cut(browser, picture)).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


def _cut(browser, picture):
    """Return the shown elements of the page as a picture."""
    browser.driver.execute_script(_TIDY)
    page = Image.open(BytesIO(browser.picture(picture.device, SCALE))).convert("RGB")
    elements = browser.all(picture.elements)
    boxes = [element.rect for element in elements if element.is_displayed()]
    left = max(0, min(box["x"] for box in boxes) - MARGIN)
    top = max(0, min(box["y"] for box in boxes) - MARGIN)
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
    left, top, right, bottom = (round(SCALE * edge) for edge in (left, top, right, bottom))
    return page.crop((left, top, min(right, page.width), min(bottom, page.height)))


def _small(picture):
    return picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=8, dither=Image.Dither.NONE)


#: Removes the toolbar, the focus and the shadow of a dialog, and stops animations half a second
#: after their start.
_TIDY = """
document.getElementById("edit-zone")?.remove();
document.body.className = document.body.className.replace(/plone-toolbar\\S*/g, "");
document.activeElement.blur();
const flat = new CSSStyleSheet();
flat.replaceSync("dialog, ::backdrop { background: #fff !important; box-shadow: none !important }");
document.adoptedStyleSheets = [flat];
for (const moving of document.getAnimations()) {
  moving.pause();
  moving.currentTime = 500;
}
"""


if __name__ == "__main__":
    main(sys.argv[1:])

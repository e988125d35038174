"""Make the pictures of the docs, from real sites in a real browser.

    python tools/screenshots.py [NAME ...]

Run by ``make screenshots``. Writes ``docs/_static/<name>.png``: all of them, or those named.
A picture is a function here that opens a page and returns what of it is shown, as CSS.
"""

from io import BytesIO
from pathlib import Path
from PIL import Image

import sys
import tempfile

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "browser"))

from chromium import Browser  # noqa: E402
from sites import install  # noqa: E402
from sites import make_bare_instance  # noqa: E402
from sites import PROFILES  # noqa: E402
from sites import start_site  # noqa: E402

FOLDER = ROOT / "docs" / "_static"

#: Room around what is shown, in pixels.
MARGIN = 16

#: Few suffice for a page, and keep the files small.
COLOURS = 64


def control_panel(browser, site):
    browser.log_in(site)
    browser.open(f"{site}/@@wsgifutures-controlpanel")
    return "#content h1", "#content .formControls"


def control_panel_refused(browser, site):
    control_panel(browser, site)
    browser.fill("#form-widgets-max_passes", "many")
    browser.fill("#form-widgets-upstream_limits", "town.total = never")
    browser.click("#form-buttons-save")
    browser.find(".invalid-feedback")
    return "#formfield-form-widgets-max_passes", "#formfield-form-widgets-upstream_limits"


def demo(browser, site):
    browser.open(f"{site}/@@futures-demo")
    for page in ("held", "blocking"):
        figure = f"figure[data-page={page}]"
        browser.wait_for(lambda css=figure: browser.find(f"{css} button").is_enabled(), 200)
        browser.click(f"{figure} button")
        browser.wait_for(
            lambda css=figure: browser.find(f"{css} .futures-state").text == "200 of 200 answered",
            seconds=200,
        )
    return "figure[data-page=held] figcaption", "figure[data-page=blocking] dl"


def ten_parts(browser, site):
    browser.open(f"{site}/@@hold-parts?seconds=1")
    return "#content h1", ".futures-took"


PICTURES = {
    "control-panel": control_panel,
    "control-panel-refused": control_panel_refused,
    "demo": demo,
    "ten-parts": ten_parts,
}


def main(names):
    wrong = set(names) - PICTURES.keys()
    if wrong:
        sys.exit(f"No such picture: {', '.join(wrong)}. There are: {', '.join(PICTURES)}")
    with tempfile.TemporaryDirectory() as folder:
        bare = make_bare_instance(Path(folder) / "bare")
        installed = install(bare, Path(folder) / "demo", *PROFILES)
        _take(names or PICTURES, installed, Path(folder))


def _take(names, instance, folder):
    site = start_site(instance, folder / "site")
    browser = Browser(folder)
    try:
        for name in names:
            browser.forget()
            browser.resize("docs")
            shown = PICTURES[name](browser, site.site)
            path = FOLDER / f"{name}.png"
            _small(_cut(browser, shown)).save(path, optimize=True)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")
    finally:
        browser.quit()
        site.stop()


def _cut(browser, shown):
    """Return the part of the page from the first to the last element of *shown*."""
    browser.driver.execute_script(_WITHOUT_TOOLBAR)
    picture = Image.open(BytesIO(browser.picture("docs"))).convert("RGB")
    boxes = [browser.find(css).rect for css in shown]
    return picture.crop(
        (
            min(box["x"] for box in boxes) - MARGIN,
            min(box["y"] for box in boxes) - MARGIN,
            max(box["x"] + box["width"] for box in boxes) + MARGIN,
            max(box["y"] + box["height"] for box in boxes) + MARGIN,
        )
    )


def _small(picture):
    return picture.quantize(COLOURS, dither=Image.Dither.NONE)


_WITHOUT_TOOLBAR = """
document.getElementById("edit-zone")?.remove();
document.body.className = document.body.className.replace(/plone-toolbar\\S*/g, "");
document.activeElement.blur();
"""


if __name__ == "__main__":
    main(sys.argv[1:])

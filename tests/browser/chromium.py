"""Chromium, headless, as tests and the docs' pictures use it.

Debian's Chromium and its driver, driven by Selenium. Where one of them is missing the
tests fail: ``make test-browser`` installs what they need.
"""

from pathlib import Path
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import base64
import requests
import shutil

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

#: The widths of the window, in pixels: of screenshots, and of pictures in the docs.
WIDTHS = {"desktop": 1280, "phone": 390, "docs": 1000}

#: No screenshot is higher.
MAX_HEIGHT = 6000

#: Seconds until what a test waits for has to be there.
PATIENCE = 30

#: What axe-core calls the violations that a test fails for.
GRAVE = ("serious", "critical")

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it sees nothing but our own site, and root has no sandbox
    "--no-proxy-server",
    "--disable-gpu",
    "--hide-scrollbars",
    "--lang=en",
)


class Browser:
    """One browser window.

    ``driver`` is Selenium's, for all that has no method here.

    Args:
        folder: Where screenshots are saved.
    """

    def __init__(self, folder):
        self.folder = folder
        self.driver = _driver()

    def open(self, url):
        """Go to *url* and wait until the page and what belongs to it are loaded."""
        self.driver.get(url)

    def find(self, css):
        """Return the first element that *css* matches, once there is one that is seen."""
        return self.wait_for(lambda: next((e for e in self.all(css) if e.is_displayed()), None))

    def all(self, css):
        """Return all elements that *css* matches now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def wait_for(self, true, seconds=PATIENCE):
        """Wait until the function *true* gives something, and return that."""
        waiting = WebDriverWait(self.driver, seconds, 0.1)
        return waiting.until(lambda driver: _unless_gone(true))

    def click(self, css):
        """Click the element, wherever it is on the page."""
        self.click_on(self.find(css))

    def click_on(self, element):
        """Click an element that was found."""
        self.driver.execute_script(
            "arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", element
        )
        element.click()

    def follow(self, css):
        """Click the element, which leads to another page, and wait for that."""
        self.follow_to(self.find(css))

    def follow_to(self, element):
        """Click an element that was found, and wait for the page that it leads to.

        A click does not wait for itself: the browser may begin to leave a moment later.
        """
        (page,) = self.all("html")
        self.click_on(element)
        self.wait_for(lambda: _is_gone(page))

    def fill(self, css, text):
        """Replace what stands in the field with *text*."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def log_in(self, site, name="admin", password="admin"):
        """Log in at *site*, which is the address of a Plone site.

        The form is sent without being shown: Plone's two pages take seconds each time.
        """
        form = {"__ac_name": name, "__ac_password": password, "buttons.login": "Log in"}
        answer = requests.post(f"{site}/login", data=form, allow_redirects=False, timeout=PATIENCE)
        assert "__ac" in answer.cookies, answer.text[:500]
        for cookie in answer.cookies:
            known = {"name": cookie.name, "value": cookie.value, "path": cookie.path}
            self.driver.execute_cdp_cmd("Network.setCookie", {"url": site, **known})

    def forget(self):
        """Be a new visitor: with JavaScript and a network, without what pages have stored."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Fetch.disable", {})
        self.javascript(True)
        self.online()
        self.open("about:blank")

    def javascript(self, on):
        """Switch JavaScript on or off, for the pages that are opened from now on."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def online(self, on=True):
        """Take away the network, or give it back."""
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": not on, **conditions}
        )

    def fetched(self, name):
        """Return how often the page has fetched what has *name* in its address."""
        return self.driver.execute_script(
            "return performance.getEntriesByType('resource').filter("
            "one => one.name.includes(arguments[0])).length",
            name,
        )

    def stall(self, pattern):
        """Let requests to addresses like *pattern* be under way, until ``forget``."""
        self.driver.execute_cdp_cmd("Fetch.enable", {"patterns": [{"urlPattern": pattern}]})

    def hide(self, hidden=True):
        """Let the page believe that its tab is hidden, which a headless browser never does."""
        self.driver.execute_script(
            "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))",
            hidden,
        )

    def screenshot(self, name):
        """Save the page as it is now, at its full height: on a desktop and on a phone.

        Args:
            name: Of the files: ``<name>-desktop.png`` and ``<name>-phone.png``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for device in ("desktop", "phone"):
            self.resize(device)
            (self.folder / f"{name}-{device}.png").write_bytes(self.picture(device))
        self.resize("desktop")

    def picture(self, device="desktop", scale=1):
        """Return the whole page as a PNG, with *scale* times the pixels."""
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        self.resize(device, min(int(size["height"]), MAX_HEIGHT), scale)
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {})
        return base64.b64decode(picture["data"])

    def resize(self, device, height=900, scale=1):
        """Give the window one of the ``WIDTHS``."""
        metrics = {"width": WIDTHS[device], "height": height, "deviceScaleFactor": scale}
        metrics["mobile"] = device == "phone"
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def overflows(self):
        """Tell whether the page is wider than the window: a person has to scroll sideways."""
        page, window = self.driver.execute_script(
            "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
        )
        return page > window

    def check_accessibility(self, within="#main-container"):
        """Let axe-core look at the page; fail where it finds something serious or critical.

        Args:
            within: A CSS selector: what of the page is looked at. The frame around it,
                Plone's, has faults of its own: the footer's contrast, the toolbar's names.
        """
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(_RUN_AXE, within)
        grave = [one for one in found if one["impact"] in GRAVE]
        assert not grave, f"{self.driver.current_url}:\n" + "\n".join(map(_told, grave))

    def complaints(self, of_plone=True):
        """Return what the console has of errors since it was asked last.

        A script that failed, a resource that is missing, what a Content-Security-Policy
        refused.

        Args:
            of_plone: Also what came from Plone's own scripts. They load parts of
                themselves some time after the page.
        """
        entries = self.driver.get_log("browser")
        grave = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
        return [one for one in grave if of_plone or "/++plone++static/" not in one]

    def quit(self):
        """Close it."""
        self.driver.quit()


_ELSEWHERE = "does not belong to the document"

_RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(arguments[0], {resultTypes: ["violations"]}).then(found => done(found.violations));
"""


def _unless_gone(ask, gone=None):
    """Return what *ask* says of elements, or *gone* if they went with their page meanwhile."""
    try:
        return ask()
    except WebDriverException as error:
        # the driver has two words for it: the other one while the page is being left
        if isinstance(error, StaleElementReferenceException) or _ELSEWHERE in str(error):
            return gone
        raise


def _is_gone(element):
    return _unless_gone(lambda: not element.tag_name, gone=True)


def _driver():
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium")
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(_program("chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(120)
    driver.set_script_timeout(60)
    return driver


def _program(name):
    found = shutil.which(name)
    assert found, f"{name} is not installed; “make test-browser” installs it"
    return found


def _told(violation):
    """Return what a person needs to find and mend it."""
    lines = [f"{violation['impact']}: {violation['help']} ({violation['helpUrl']})"]
    for node in violation["nodes"]:
        lines += [f"  {node['html'][:200]}"]
        lines += [f"    {line}" for line in node["failureSummary"].splitlines()[1:]]
    return "\n".join(lines)

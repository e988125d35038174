"""What the demo's pages tell."""


def waited(browser):
    """Return the seconds that the page says the browser waited for it."""
    return float(browser.find("#took").text.removesuffix(" s"))

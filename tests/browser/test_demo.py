"""The demo, as its visitors see it."""


def test_demo_when_opened_can_be_read_by_everybody(browser, site):
    """Its start page is whole, for each width and for those who cannot see it."""
    browser.open(site.site + "/@@futures-demo")
    assert browser.find("h1").text == "Held responses"
    browser.screenshot("demo")
    browser.check_accessibility()
    assert browser.complaints() == []

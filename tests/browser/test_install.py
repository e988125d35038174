"""Plone's own form for add-ons, and what a person finds after it."""

PRODUCT = "collective.wsgifutures"

#: The link to the control panel in the list of Site Setup.
LINK = "#content a[href$='@@wsgifutures-controlpanel']:not(.dropdown-item)"


def button(field):
    """Return the CSS of the button that the form of add-ons has for the product."""
    return f"form:has([name={field}][value='{PRODUCT}']) button"


def linked(browser, site):
    """Return the links to the control panel that Site Setup has."""
    browser.open(site.site + "/@@overview-controlpanel")
    return [link.text.splitlines()[-1] for link in browser.all(LINK)]


def test_add_on_when_installed_in_plones_form_has_its_control_panel(
    browser, start_own, bare_instance
):
    """Installed by a click it is in Site Setup; uninstalled by another it is gone."""
    site = start_own(bare_instance)
    browser.log_in(site.site)
    assert linked(browser, site) == []
    browser.open(site.site + "/prefs_install_products_form")
    browser.screenshot("addons")
    browser.follow(button("install_product"))
    browser.find(button("uninstall_product"))
    browser.screenshot("addons-installed")
    assert linked(browser, site) == ["Held responses"]
    browser.screenshot("site-setup")
    browser.follow(LINK)
    browser.wait_for(lambda: browser.find("h1").text == "Held responses")
    browser.open(site.site + "/prefs_install_products_form")
    browser.follow(button("uninstall_product"))
    browser.find(button("install_product"))
    assert linked(browser, site) == []
    assert browser.complaints() == []

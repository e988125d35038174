"""The pages of the add-on in the languages of its catalogues."""

import pytest

SAID = {
    "de": [
        "Antworten halten",
        "Diese Einstellung erlaubt eine ganze Zahl ab 1 oder nichts.",
        "„town.total = never“: Für total ist eine Zahl von Sekunden größer als 0 erlaubt.",
        "Belegte Slots",
    ],
    "fi": [
        "Pidä vastaukset odottamassa",
        "Tähän asetukseen sopii kokonaisluku, vähintään 1, tai ei mitään.",
        "”town.total = never”: asetukseen total sopii nollaa suurempi määrä sekunteja.",
        "Käytössä olevat paikat",
    ],
}


@pytest.mark.parametrize("language", SAID)
def test_pages_when_the_site_has_another_language_are_in_it(browser, site_in, language):
    """Fields, refusals and the live status, as a person of that language reads them."""
    field, number, line, slots = SAID[language]
    site = site_in(language)
    browser.log_in(site.site)
    browser.open(site.site + "/@@wsgifutures-controlpanel")
    assert browser.find("label[for=form-widgets-enabled-0]").text == field
    browser.fill("#form-widgets-max_passes", "many")
    browser.fill("#form-widgets-upstream_limits", "town.total = never")
    browser.follow("#form-buttons-save")
    browser.find(".invalid-feedback")
    said = [one.text for one in browser.all(".invalid-feedback")]
    assert [one for one in said if one] == [number, line]
    browser.screenshot(f"controlpanel-{language}")
    browser.check_accessibility()
    browser.open(site.site + "/@@futures-status")
    browser.wait_for(lambda: slots in browser.find("#content").text)
    browser.screenshot(f"status-{language}")
    browser.check_accessibility()
    browser.resize("phone")
    assert not browser.overflows()

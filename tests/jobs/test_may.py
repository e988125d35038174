"""What a worker elsewhere may do with the object of its job: checked where it is written."""

from collective.wsgifutures.jobs.may import check_may
from collective.wsgifutures.jobs.may import is_forbidden

import pytest


def test_methods_views_and_services_are_taken_in_order_each_once():
    """As they are written."""
    wanted = ["GET", "@@images", "@history", "GET", "@@my-view.json"]
    assert check_may(wanted) == ("GET", "@@images", "@history", "@@my-view.json")
    assert check_may(()) == ()


@pytest.mark.parametrize("may", ["GET", 1, None, [1], [None, "GET"]])
def test_only_a_list_of_texts_is_taken(may):
    """A text alone would be a list of letters."""
    with pytest.raises(TypeError):
        check_may(may)


@pytest.mark.parametrize(
    "each", ["get", "OPTIONS", "images", "@@", "@", "@@a/b", "@@../x", "*", ""]
)
def test_what_is_neither_a_method_nor_a_name_is_refused(each):
    """The message says what is."""
    with pytest.raises(ValueError, match="It takes methods"):
        check_may(["GET", each])


@pytest.mark.parametrize(
    "each",
    [
        *("@login", "@login-renew", "@logout", "@users", "@groups", "@controlpanels", "@token"),
        *(
            "@roles",
            "@workers",
            "@jwks",
            "@jobs",
            "@clock",
            "@principals",
            "@registry",
            "@addons",
            "@userschema",
        ),
        *("@sharing", "@@sharing", "@@login", "@@manage_main", "@@manage-viewlets", "@@usergroup"),
        *(
            "@@authenticator",
            "@@change-password",
            "@@Mail-Controlpanel",
            "@@register",
            "@@plone-upgrade",
        ),
        *("@@wsgifutures-task", "@@personal-information", "@LOGIN-renew", "@@passwordreset"),
    ],
)
def test_no_name_is_taken_that_gives_more_rights(each):
    """Whoever the user of a job is: a worker gets none of their rights but those."""
    assert is_forbidden(each)
    with pytest.raises(ValueError, match="No worker gets"):
        check_may(["GET", "POST", each])


def test_a_name_needs_a_method():
    """Without one nothing may be done with it."""
    with pytest.raises(ValueError, match="add 'GET'"):
        check_may(["@@images"])


@pytest.mark.parametrize("name", ["@@images", "@history", "@types", "@@download", "@author"])
def test_ordinary_names_are_not_forbidden(name):
    """They show what the user may see."""
    assert not is_forbidden(name)

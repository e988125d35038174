"""What is told of the versions that are installed."""

from collective.wsgifutures.wsgi import versions
from packaging.requirements import Requirement


def test_versions_when_all_is_as_asked_for_are_told_in_one_line():
    """Python's and those that matter."""
    found = list(versions.versions())
    assert [finding.level.value for finding in found] == ["ok"]
    assert all(name in found[0].meaning for name in ("Python 3.", "gevent ", "gunicorn ", "Zope "))


def test_versions_that_are_not_as_asked_for_are_told_each():
    """What there is, what is needed; extras do not count."""
    asked = ["gevent>=999", "no-such-package", "gunicorn", "nobody>1; extra == 'test'"]
    unmet = [text for text, _ in versions._check_requirements(map(Requirement, asked))]
    assert [text.split(" is ")[0] for text in unmet] == ["gevent", "no-such-package"]
    assert "needs gevent>=999" in unmet[0]
    assert unmet[1] == "no-such-package is not installed."


def test_python_that_is_too_old_is_an_error(monkeypatch):
    """By what the package says of itself."""
    monkeypatch.setattr(versions.platform, "python_version", lambda: "3.9.1")
    found = list(versions.versions())
    assert [finding.level.value for finding in found] == ["error", "ok"]
    assert "This is Python 3.9.1" in found[0].meaning

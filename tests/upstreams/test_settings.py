"""What an operator and a site change without code."""

from .outside import Overrides
from .outside import raised_by
from collective.wsgifutures import SettingRefused
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.sites import sites
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams.settings import unknown_variables
from collective.wsgifutures.upstreams.settings import UpstreamSettings
from collective.wsgifutures.upstreams.settings import variable

import pytest

VALUES = {
    "base_url": ("http://other.example.com/api/", "http://other.example.com/api"),
    "off": ("on", True),
    "connect": ("1.5", 1.5),
    "read": ("20", 20.0),
    "total": ("40", 40.0),
    "max_size": ("1000", 1000),
    "max_redirects": ("0", 0),
    "max_calls": ("7", 7),
    "keep_alive": ("0", 0.0),
    "max_queue": ("0", 0),
    "queue_time": ("0.5", 0.5),
    "failure_rate": ("0.25", 0.25),
    "failure_window": ("30", 30.0),
    "failure_calls": ("3", 3),
    "failure_pause": ("1", 1.0),
    "retries": ("0", 0),
    "retry_share": ("0", 0.0),
    "idempotency_key": ("true", True),
    "cache": ("60", 60.0),
    "stale": ("300", 300.0),
    "stale_if_error": ("3600", 3600.0),
    "ca_file": ("/etc/ca.pem", "/etc/ca.pem"),
}


def declare(**options):
    return Upstream("My-Weather", "https://example.com", **options)


@pytest.mark.parametrize("name", VALUES)
def test_setting_is_taken_from_the_environment(monkeypatch, name):
    """Before what the declaration says."""
    text, value = VALUES[name]
    monkeypatch.setenv(f"WSGIFUTURES_UPSTREAM_MY_WEATHER_{name.upper()}", text)
    assert getattr(declare().settings, name) == value
    assert variable("My-Weather", name) == f"WSGIFUTURES_UPSTREAM_MY_WEATHER_{name.upper()}"


def test_each_setting_is_one_of_those():
    """None is forgotten here."""
    assert set(VALUES) == set(UpstreamSettings.__dataclass_fields__)


BAD = {
    "base_url": (
        "ftp://a",
        "",
        "https://",
        "example.com",
        "https://a?b",
        "https://a/\u20ac",
        "h t",
    ),
    "off": ("maybe", ""),
    "connect": ("0", "-1", "inf", "nan", "soon"),
    "max_size": ("0", "1.5", "many"),
    "max_redirects": ("-1", "x"),
    "failure_rate": ("1.1", "-0.1", "nan"),
    "cache": ("-1", "inf", "nan"),
}


#: Of an address only the host is told.
SHOWN = {"https://a?b": "https://a…", "https://a/\u20ac": "https://a…"}


@pytest.mark.parametrize(("name", "text"), [(n, text) for n in BAD for text in BAD[n]])
def test_value_that_it_cannot_have_is_refused(monkeypatch, name, text):
    """With its name, what it was given and what it takes."""
    variable = f"WSGIFUTURES_UPSTREAM_MY_WEATHER_{name.upper()}"
    monkeypatch.setenv(variable, text)
    error = raised_by(SettingRefused, declare)
    shown = SHOWN.get(text, text)
    assert (error.name, error.value) == (variable, shown)
    assert str(error).startswith(f"The setting {variable} is {shown!r}; it takes ")
    monkeypatch.delenv(variable)
    error = raised_by(ValueError, Upstream, "a", **{"base_url": "https://a", **options(name, text)})
    assert error.name == f"a: {name}"


def options(name, text):
    return {"timeout": (text, 1)} if name == "connect" else {name: text}


def test_variable_of_another_upstream_changes_nothing(monkeypatch):
    """Nor one whose name begins alike, nor one of somebody else's."""
    monkeypatch.setenv("OFF", "on")
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_MY_OFF", "on")
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_MY_WEATHER_MAP_OFF", "on")
    assert declare().settings.off is False


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (
            "MY_WEATHER_MAXCALLS",
            "my-weather has no setting maxcalls; the settings are base_url, off,",
        ),
        ("MY_WEATHER_MAP_OF", "my-weather-map has no setting of; the settings are base_url, off,"),
        (
            "WETHER_OFF",
            "no upstream has this name; the declared upstreams are: my-weather, my-weather-map",
        ),
        (
            "MY_WEATHER",
            "no upstream has this name; the declared upstreams are: my-weather, my-weather-map",
        ),
    ],
)
def test_variable_that_changes_nothing_is_told(monkeypatch, key, why):
    """With what there is; one that does is not."""
    monkeypatch.setenv(f"WSGIFUTURES_UPSTREAM_{key}", "s3cret")
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_MY_WEATHER_MAP_OFF", "on")
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_MY_WEATHER_MAX_CALLS", "1")
    ((told, reason),) = unknown_variables(["my-weather", "my-weather-map"])
    assert told == f"WSGIFUTURES_UPSTREAM_{key}"
    assert reason.startswith(why)


def test_variable_of_an_upstream_where_none_is_declared_is_told(monkeypatch):
    """The package that declares it is not there, say."""
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_WEATHER_OFF", "on")
    why = "no upstream has this name; the declared upstreams are: none"
    assert unknown_variables([]) == [("WSGIFUTURES_UPSTREAM_WEATHER_OFF", why)]


def test_option_that_there_is_none_of_is_a_type_error():
    """It names those that there are."""
    error = raised_by(TypeError, declare, max_call=1)
    assert "max_call is not a setting;" in str(error)
    assert "max_calls" in str(error)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "ä"])
def test_name_that_cannot_be_a_variable_is_refused(name):
    """It is in the environment, in logs and in metrics."""
    with pytest.raises(ValueError):
        Upstream(name, "https://example.com")


# what a site says


def test_site_changes_an_upstream_for_its_own_requests(outside, weather):
    """Read in the pass where it is submitted, by the upstream's name."""
    upstream = weather(at="http://nowhere.example.com")
    seen = []

    def read(name):
        seen.append((name, current_pass() is not None))
        return {"base_url": f"{outside.url}/site"}

    sites.append(Overrides(read))
    request = HeldRequest(lambda: upstream.get("/now").text)
    assert request.publish() is HELD
    sites.clear()  # what was read has gone along with the call
    request.executor.run_all()
    sites.append(Overrides(read))
    request.advance(0)
    assert request.publish() == "sunny"
    assert outside.targets == ["GET /site/now"]
    assert seen == [("weather", True)] * 2


def test_sites_of_one_process_do_not_share_what_they_know(outside, weather):
    """The one's upstream is off, the other's is not; the calls of both are two."""
    upstream = weather()
    wanted = [{"off": True}, {}, {"max_calls": 1}]
    sites.append(Overrides(lambda name: wanted[0]))
    with pytest.raises(UpstreamOff):
        upstream.get("/")
    wanted.pop(0)
    first = upstream.get("/")
    wanted.pop(0)
    assert upstream.get("/") == first
    assert len({id(known.service) for known in upstream._all_known.values()}) == 3


def test_site_that_says_nothing_changes_nothing(outside, weather):
    """The very same settings, and what is known of them."""
    upstream = weather()
    sites.append(Overrides(lambda name: {}))
    upstream.get("/")
    assert list(upstream._all_known) == [upstream.settings]


def test_value_of_a_site_that_it_cannot_have_is_refused_where_it_is_submitted(weather):
    """As the environment's are."""
    sites.append(Overrides(lambda name: {"max_calls": 0}))
    error = raised_by(SettingRefused, weather().get.submit, "/")
    assert (error.name, error.value) == ("weather: max_calls", 0)


def test_services_of_sites_are_bounded(outside, weather):
    """A site may change its mind for ever."""
    upstream = weather()
    numbers = iter(range(1, 500))
    sites.append(Overrides(lambda name: {"max_queue": next(numbers)}))
    for _ in range(150):
        upstream.head.submit("/")
    assert len(upstream._all_known) <= 100

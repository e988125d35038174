"""What the doctor prints, and what it never does."""

from collective.wsgifutures import doctor
from collective.wsgifutures.__main__ import main
from collective.wsgifutures.wsgi import audit
from importlib.metadata import entry_points

import pytest


def test_a_finding_is_one_line_with_its_level_and_topic_first():
    """For eyes and for scripts."""
    finding = audit.error("storage main", "Two\n workers.", "Take one.")
    assert doctor.line(finding) == "error    storage main   Two workers. Take one."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dsn host=db password=s3cret user=x", "dsn host=db password=*** user=x"),
        ("dsn password='s3cret' user=x", "dsn password='***' user=x"),
        ("PASSWD: s3cret", "PASSWD: ***"),
        ("at postgresql://zope:s3cret@db/zodb", "at postgresql://zope:***@db/zodb"),
        ("at http://db:8080/x", "at http://db:8080/x"),
    ],
)
def test_a_password_is_never_printed(text, shown):
    """Whatever message it stands in."""
    assert doctor.line(audit.error("zope", text, "")).split("zope ", 1)[1].strip() == shown


def test_passwords_of_the_configuration_are_hidden_wherever_they_turn_up(tmp_path):
    """A message that quotes a part of the address, say."""
    (tmp_path / "zope.ini").write_text("[app:zope]\nurl = x\n")
    conf = "# a password for all\ndsn host='db' password='s3cret' user='x'\npasswd tops3cret\n"
    (tmp_path / "zope.conf").write_text(conf)
    hidden = doctor.secrets(str(tmp_path / "zope.ini"))
    assert sorted(hidden) == ["s3cret", "tops3cret"]
    text = doctor.line(audit.error("zope", 'missing "=" after "tops3cret s3cret"', ""), hidden)
    assert 'after "*** ***"' in text


@pytest.mark.parametrize(
    ("lines", "config"),
    [
        ("", doctor.OURS),
        ("pipeline = egg:collective.wsgifutures#hold", None),
        ("  # egg:collective.wsgifutures#hold", doctor.OURS),
    ],
)
def test_configuration_when_none_is_named_is_ours_where_no_filter_holds(
    tmp_path, monkeypatch, lines, config
):
    """What gunicorn is started with, by the docs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    (tmp_path / "zope.ini").write_text(f"[pipeline:main]\n{lines}\n")
    assert doctor._config_by_default("zope.ini") == config


def test_configuration_when_gunicorn_finds_one_is_that(tmp_path, monkeypatch):
    """Its own default, and its variable."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zope.ini").write_text("")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-c python:somebodys")
    assert doctor._config_by_default("zope.ini") is None
    monkeypatch.delenv("GUNICORN_CMD_ARGS")
    (tmp_path / "gunicorn.conf.py").write_text("")
    assert doctor._config_by_default("zope.ini") is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: command"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["doctor", "--paste", "nowhere.ini"], "there is no file nowhere.ini"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(capsys, arguments, words):
    """On standard error."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert (raised.value.code, words in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"]])
def test_help_ends_with_0_and_tells_the_command(capsys, arguments):
    """In short, and in full."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert (raised.value.code, "doctor" in capsys.readouterr().out) == (0, True)


def test_command_is_installed():
    """As a console script."""
    (script,) = entry_points(group="console_scripts", name="wsgifutures")
    assert script.load() is main

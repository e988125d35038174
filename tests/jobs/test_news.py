"""Whether a database has changed since the last question."""

from collective.wsgifutures.jobs.news import News

import pytest


@pytest.fixture
def news(client, database):
    """What comes after the store was made."""
    made = News(database)
    assert made.has_come()  # all is new at first
    return made


def test_nothing_is_new_while_nobody_commits(news):
    """However often it is asked."""
    assert not news.has_come()
    assert not news.has_come()


def test_a_commit_is_new_once(news, client):
    """Whatever was committed."""
    client.store.paused["slow"] = 1.0
    assert not news.has_come()
    client.commit()
    assert news.has_come()
    assert not news.has_come()


def test_all_is_new_again_when_it_was_forgotten(news):
    """After an error, say."""
    news.forget()
    assert news.has_come()

"""Ten minutes as sixty points: the most of each ten seconds."""

from collective.wsgifutures.status.history import History


def told(history, *moments):
    for moment in moments:
        history.add(*moment)
    return history.points()


def test_each_point_has_the_most_that_was_held_and_waited_and_how_many_were_refused():
    """Of the refused there is a count since the start; a point has its own."""
    moments = [(100.0, 5, 3, 2), (104.0, 9, 0, 2), (109.9, 1, 1, 7), (110.0, 2, 0, 9)]
    assert told(History(), *moments) == [[100.0, 9, 3, 7], [110.0, 2, 0, 2]]


def test_points_begin_at_whole_ten_seconds_so_that_those_of_all_workers_meet():
    """Whenever their workers look."""
    points = [told(History(), (now, 1, 1, 1))[0][0] for now in (1003.2, 1009.99)]
    assert points == [1000.0, 1000.0]


def test_only_ten_minutes_are_kept():
    """However long it runs."""
    points = told(History(), *((10.0 * n, n, 0, 0) for n in range(100)))
    assert (len(points), points[0][0], points[-1][0]) == (60, 400.0, 990.0)


def test_points_are_copies():
    """What was written does not change afterwards."""
    history = History()
    before = told(history, (0.0, 1, 1, 0))
    history.add(1.0, 5, 5, 5)
    assert before == [[0.0, 1, 1, 0]]

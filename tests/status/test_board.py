"""The folder: what is written is read, by its owner alone; stale and dead ones are told apart."""

from collective.wsgifutures.status.board import Board
from collective.wsgifutures.status.board import board_of
from collective.wsgifutures.status.board import ENDED_AFTER
from collective.wsgifutures.status.board import FolderRefused
from collective.wsgifutures.status.board import FORGOTTEN_AFTER
from collective.wsgifutures.status.board import STALE_AFTER
from collective.wsgifutures.wsgi.joints import Joint
from collective.wsgifutures.wsgi.joints import joints
from collective.wsgifutures.wsgi.settings import Settings
from pathlib import Path

import json
import os
import pytest
import stat
import subprocess
import sys


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(tmp_path, clock):
    return Board(tmp_path / "var" / "wsgifutures", clock)


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def snapshot(worker="0000000a", **more):
    return {"format": 1, "worker": worker, "pid": os.getpid(), "started": 1.0, "at": 2.0, **more}


def names(board):
    return sorted(file.name for file in board.folder.iterdir())


def test_what_a_worker_writes_is_read_with_its_time(board, clock):
    """All else as it was written."""
    board.write(snapshot(holds=[{"path": "/a"}]))
    told = {**snapshot(holds=[{"path": "/a"}]), "at": clock.now, "stale": False}
    assert board.read() == [told]


def test_each_worker_has_its_place_and_the_first_started_comes_first(board):
    """Whoever answers reads those of all."""
    other = Board(board.folder, board._clock)
    board.write(snapshot("0000000a", started=5.0))
    other.write(snapshot("0000000b", started=4.0))
    board.write(snapshot("0000000a", started=5.0, totals={"held": 3}))
    assert [one["worker"] for one in board.read()] == ["0000000b", "0000000a"]
    assert board.read()[1]["totals"] == {"held": 3}


def test_write_when_somebody_reads_takes_nothing_from_what_is_read(board):
    """Each snapshot is whole: who began to read the one before gets all of it."""
    board.write(snapshot(holds=[1, 2, 3]))
    with open(board.folder / "0000000a.json") as begun:
        board.write(snapshot())
        assert json.load(begun)["holds"] == [1, 2, 3]
    assert names(board) == ["0000000a.json"]


def test_write_when_nothing_is_new_only_tells_the_time(board, clock):
    """The file stays the same file."""
    board.write(snapshot())
    (file,) = board.folder.iterdir()
    before = file.stat().st_ino, file.read_bytes()
    clock.now += 100
    board.write(snapshot(at=102.0))
    assert (file.stat().st_ino, file.read_bytes()) == before
    assert (board.read()[0]["at"], board.read()[0]["stale"]) == (clock.now, False)


def test_write_when_somebody_tidied_up_writes_again(board):
    """Also where nothing is new."""
    board.write(snapshot())
    (board.folder / "0000000a.json").unlink()
    board.write(snapshot())
    assert len(board.read()) == 1


def test_read_when_a_worker_has_not_written_lately_tells_that_it_is_stale(board, clock):
    """It is shown still: it may stand still itself."""
    board.write(snapshot())
    clock.now += STALE_AFTER
    assert [one["stale"] for one in board.read()] == [False]
    clock.now += ENDED_AFTER
    assert [one["stale"] for one in board.read()] == [True]


def test_read_when_its_process_has_ended_shows_it_for_a_while_and_takes_it_away(
    board, clock, ended
):
    """With what was left for it."""
    board.write(snapshot(pid=ended))
    board.cancel("0000000a", "1")
    clock.now += ENDED_AFTER
    assert [one["stale"] for one in board.read()] == [True]
    clock.now += 1
    assert (board.read(), names(board)) == ([], [])


def test_read_when_another_user_has_its_number_shows_it_no_longer(board, clock, monkeypatch):
    """A worker of this instance is its owner's, so that one is none."""

    def refuse(pid, number):
        raise PermissionError(pid)

    board.write(snapshot())
    clock.now += ENDED_AFTER + 1
    monkeypatch.setattr(os, "kill", refuse)
    assert (board.read(), names(board)) == ([], [])


def test_read_when_nothing_came_for_an_hour_takes_it_away(board, clock):
    """Its number may be another process's by now."""
    board.write(snapshot())
    clock.now += FORGOTTEN_AFTER + 1
    assert (board.read(), names(board)) == ([], [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0000000b.json", '{"format": 2, "pid": 1}'),
        ("0000000b.json", '{"format": 1, "wor'),
        ("0000000b.json", "[]"),
        ("notes.json", '{"format": 1, "pid": 1}'),
        ("0000000b.new", "{}"),
    ],
)
def test_read_when_a_file_is_no_snapshot_leaves_it_alone(board, name, text):
    """Of another version, broken, or somebody's own."""
    board.write(snapshot())
    (board.folder / name).write_text(text)
    assert [one["worker"] for one in board.read()] == ["0000000a"]
    assert name in names(board)


def test_read_when_a_file_is_taken_away_meanwhile_tells_the_others(board):
    """One that is listed and cannot be read; another who answers may tidy up."""
    board.write(snapshot())
    (board.folder / "0000000b.json").symlink_to("nowhere")
    (board.folder / "0000000c.json").mkdir()
    assert [one["worker"] for one in board.read()] == ["0000000a"]


@pytest.mark.parametrize("tidy", [Board.remove, Board.take_cancels])
def test_tidying_up_when_another_was_faster_goes_on(board, monkeypatch, tidy):
    """Two that answer may find the same dead worker."""
    board.write(snapshot())
    board.cancel("0000000a", "1")
    glob = Path.glob
    gone = board.folder / "0000000a.cancel.0"
    monkeypatch.setattr(Path, "glob", lambda *args: [gone, *glob(*args)])
    tidy(board, "0000000a")
    assert "0000000a.cancel.1" not in names(board)


def test_cancel_is_taken_by_its_worker_once(board):
    """Of two that are left for it both, and none of another's."""
    board.write(snapshot("0000000a"))
    board.write(snapshot("0000000b"))
    left = [board.cancel("0000000a", "7"), board.cancel("0000000a", "12")]
    assert (left, board.cancel("0000000b", "7")) == ([True, True], True)
    assert sorted(board.take_cancels("0000000a")) == ["12", "7"]
    assert (board.take_cancels("0000000a"), board.take_cancels("0000000b")) == ([], ["7"])


@pytest.mark.parametrize(
    ("worker", "hold"),
    [
        ("0000000c", "1"),
        ("../../etc", "1"),
        ("0000000a", "../1"),
        ("0000000a", ""),
        ("0000000a", "1\n"),
        ("*", "1"),
        ("0000000A", "1"),
    ],
)
def test_cancel_when_there_is_no_such_worker_or_id_leaves_nothing(board, worker, hold):
    """Both come from a request."""
    board.write(snapshot("0000000a"))
    assert board.cancel(worker, hold) is False
    assert names(board) == ["0000000a.json"]


def test_remove_takes_away_all_of_a_worker_and_nothing_of_others(board):
    """When its process ends."""
    board.write(snapshot("0000000a"))
    board.write(snapshot("0000000b"))
    board.cancel("0000000a", "1")
    board.remove("0000000a")
    assert names(board) == ["0000000b.json"]


def test_folder_and_files_are_their_owners_alone_whatever_the_umask(tmp_path):
    """Paths and users are told there."""
    before = os.umask(0)
    try:
        board = Board(tmp_path / "board")
        board.write(snapshot())
        board.cancel("0000000a", "1")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (board.folder, *board.folder.iterdir())]
    assert modes == [0o700, 0o600, 0o600]


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702, 0o755, 0o710])
def test_folder_in_which_others_may_look_or_write_is_refused(tmp_path, mode):
    """It says which folder, what is wrong, and what to do."""
    folder = tmp_path / "board"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(FolderRefused) as refused:
        Board(folder)
    assert str(refused.value) == (
        f"The folder {folder} cannot be used for the live status: other users may read or write "
        f"there (mode {mode:o}). Make the user of the server its owner, with mode 700. Or set "
        "status_folder to another folder, or to off."
    )


def test_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    """That one could write into it."""
    folder = tmp_path / "board"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(FolderRefused, match="the folder belongs to another user"):
        Board(folder)


def test_file_in_the_way_is_refused(tmp_path):
    """It is no folder."""
    (tmp_path / "board").write_text("")
    with pytest.raises(FolderRefused, match="File exists"):
        Board(tmp_path / "board")


def test_link_in_place_of_a_file_is_not_followed(board, tmp_path):
    """What it leads to stays as it is."""
    target = tmp_path / "target"
    target.write_text("mine")
    (board.folder / "0000000a.new").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        board.write(snapshot())
    assert target.read_text() == "mine"


class Home(Joint):
    def __init__(self, folder):
        self.home = lambda: folder


@pytest.mark.parametrize(
    ("setting", "home", "found"),
    [
        ("", "home", "home/wsgifutures"),
        ("", None, None),
        ("own", "home", "own"),
        ("own", None, "own"),
        ("off", "home", None),
    ],
)
def test_board_of_settings(tmp_path, setting, home, found):
    """The setting wins; else it is in the instance's own folder, where there is one."""
    before = list(joints)
    joints[:] = [Joint(), Home(home and str(tmp_path / home))]
    folder = str(tmp_path / setting) if setting == "own" else setting
    try:
        board = board_of(Settings(status_folder=folder))
    finally:
        joints[:] = before
    assert (board and board.folder) == (found and tmp_path / found)

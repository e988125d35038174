"""What other threads do: looked at without a collection, which Python 3.11 may not survive."""

from collective.wsgifutures.kernel.runtime.frames import frame_of_thread
from collective.wsgifutures.kernel.runtime.frames import frames_of_threads

import gc
import pytest
import sys
import threading
import time


@pytest.fixture
def waiting():
    """A thread that waits, and does so in a function of its own."""
    end, begun = threading.Event(), threading.Event()

    def wait_here():
        begun.set()
        end.wait()

    thread = threading.Thread(target=wait_here)
    thread.start()
    begun.wait()
    yield thread
    end.set()
    thread.join()


def test_the_stack_of_a_thread_is_found(waiting):
    """And none of one that has ended."""
    frame, names = frame_of_thread(waiting.ident), []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    assert "wait_here" in names
    assert waiting.ident in frames_of_threads()
    assert frame_of_thread(1) is None


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_collected_meanwhile(monkeypatch, collects):
    """Afterwards it is as before, also after an error."""
    seen = []

    def look():
        seen.append(gc.isenabled())
        raise MemoryError

    monkeypatch.setattr(sys, "_current_frames", look)
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(MemoryError):
            frames_of_threads()
        assert (seen, gc.isenabled()) == ([False], collects)
    finally:
        gc.enable()


def test_many_look_at_once_and_the_collector_goes_on(monkeypatch):
    """None of them turns it on while another one still looks, and the last one leaves it on."""
    seen = []

    def look():
        time.sleep(0.001)  # others run
        seen.append(gc.isenabled())
        return {}

    monkeypatch.setattr(sys, "_current_frames", look)
    threads = [threading.Thread(target=frames_of_threads) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen, gc.isenabled()) == ([False] * 20, True)

"""A worker is forked. Not under gevent: there the child would serve what it asks for, too."""

import os


def test_connection_is_not_shared_with_a_child_process(outside, weather):
    """Both would read what the other one asked for."""
    upstream = weather()
    upstream.get("/parent")
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if upstream.get("/child").ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert (outside.targets, outside.connections) == (["GET /parent", "GET /child"], 2)

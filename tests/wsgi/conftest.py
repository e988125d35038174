"""What needs gevent is only collected where it has patched."""

from collective.wsgifutures.kernel.executors import under_gevent

collect_ignore = [] if under_gevent() else ["test_interrupts.py", "test_monitor_blocked.py"]

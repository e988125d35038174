"""The kernel is tested with neither Zope nor a WSGI server."""

from collective.wsgifutures.kernel.executors import under_gevent

#: There are no greenlets to test where gevent has not patched.
collect_ignore = [] if under_gevent() else ["test_greenlets.py"]

"""Holds, futures, slots and executors: what decides, free of WSGI and of Zope.

The kernel imports the standard library, and gevent where gevent has patched it.
"""

"""Streams: generators outside of Zope, whose items are the body of an answer.

``declared`` has the words of a view, ``formats`` what its reader gets. ``producing`` runs the
generator, ``flow`` hands its chunks on within their limits, ``buffer`` is between the two.
"""

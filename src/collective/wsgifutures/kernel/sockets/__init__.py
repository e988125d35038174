"""Websockets: a view answers who may have one, then an async function has it, outside of Zope.

``declared`` has the words of a view, ``answers`` what it returns, ``socket`` what the function
gets. Who serves a websocket, and within which limits, is the server's side.
"""

"""Holds behind any WSGI server: the middleware, the request body, the settings."""

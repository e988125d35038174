"""Metrics for Prometheus: of all workers of an instance, in one scrape.

They are at a view for users who may see the status. If plone.observability is installed, they are
also at its ``@@metrics``.
"""

"""Metrics for Prometheus: of all workers of an instance, in one scrape.

A view for who may see the status; and where plone.observability is installed, its ``@@metrics``.
"""

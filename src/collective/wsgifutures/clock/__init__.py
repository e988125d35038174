"""Timed work: entries that submit a job of a task at their times, once for the whole cluster.

``entries`` has what is declared, ``times`` when it is due, ``ticks`` what becomes of that. Every
process looks by itself (``loop``); the database decides whose look counts.
"""

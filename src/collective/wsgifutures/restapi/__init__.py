"""The control panel and the live status, for Volto and for scripts."""

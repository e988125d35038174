"""The control panel for Volto."""

"""Site Setup > Timed work."""

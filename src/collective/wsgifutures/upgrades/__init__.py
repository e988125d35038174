"""The upgrade steps for sites with an older profile."""

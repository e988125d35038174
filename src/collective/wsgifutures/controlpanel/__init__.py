"""What one site is set to: kept in its registry, changed in Site Setup."""

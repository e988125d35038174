"""The settings of one site: kept in its registry, changed in Site Setup."""

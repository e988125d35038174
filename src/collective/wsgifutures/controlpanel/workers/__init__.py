"""Site Setup > Workers elsewhere."""

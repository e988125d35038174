"""Site Setup > Access tokens."""

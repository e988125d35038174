"""What a visitor sees of it."""

"""The page "Access tokens" of a user's preferences, and what the control panel has of it."""

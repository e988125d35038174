"""Tokens of people for their programs: what they may, which there are, what happens to them."""

"""The tools that add-on authors test with, without Zope."""

"""Views that the server tests publish, as an add-on's would be."""

"""Our tokens in ``Authorization: Bearer``: who their bearer is, for the one thing it may do."""

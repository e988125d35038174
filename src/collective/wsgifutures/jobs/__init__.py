"""Jobs: work that is done after the transaction that asked for it."""

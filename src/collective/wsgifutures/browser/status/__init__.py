"""The live status: what everybody waits for right now, over all workers of the host."""

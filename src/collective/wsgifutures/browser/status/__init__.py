"""The live status: what visitors wait for right now, in all workers of the host."""

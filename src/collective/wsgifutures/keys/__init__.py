"""A site's keys: the key ring, signed tokens, ids that are good once, public keys of others."""

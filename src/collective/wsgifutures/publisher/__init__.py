"""The joints with ZPublisher: when a pass is discarded, and what is cleaned after it."""

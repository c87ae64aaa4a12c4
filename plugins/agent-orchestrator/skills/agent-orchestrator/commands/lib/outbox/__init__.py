"""The outbox: items that wait on this machine's disk until the manager has them."""

"""The outbox: what waits on this machine's disk until the manager has it."""

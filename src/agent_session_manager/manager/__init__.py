"""The use cases: what the service can do, whoever asks."""

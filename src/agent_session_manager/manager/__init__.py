"""The use cases of the service, independent of the caller."""

"""Making events that can be sent and stored."""

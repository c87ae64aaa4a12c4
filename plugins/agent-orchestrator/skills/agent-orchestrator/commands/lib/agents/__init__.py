"""Agent definitions: their formats and their locations."""

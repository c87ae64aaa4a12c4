"""The document of an export, before it has a format: its parts, and events as parts."""

"""The index of full-text search, for both databases."""

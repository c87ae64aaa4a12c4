"""The routes of the earlier system, for its clients: they go when those have gone."""

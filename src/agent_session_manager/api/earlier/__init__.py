"""The routes of the earlier system. They will be removed when its clients are gone."""

"""Clients of the manager: requests, the feed, and checks of responses."""

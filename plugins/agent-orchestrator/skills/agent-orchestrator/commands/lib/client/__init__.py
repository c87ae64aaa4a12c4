"""Clients of the manager: requests, the feed, and the shape of answers."""

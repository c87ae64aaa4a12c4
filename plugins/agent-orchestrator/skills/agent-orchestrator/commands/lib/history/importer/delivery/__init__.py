"""Delivery of parts to the manager: the session that each belongs to, its order, open runs."""

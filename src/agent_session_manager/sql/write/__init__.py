"""Writes in SQL, within one transaction: one module for each kind of data, and the batch."""

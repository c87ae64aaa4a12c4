"""Reads in SQL: one module for each kind of data."""

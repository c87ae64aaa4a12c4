"""Importing the sessions that agents keep in files of their own."""

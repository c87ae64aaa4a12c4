"""The index of full-text search: opening it, and writing it in a process of its own.

`base/` has what both databases share; `sqlite/` and `postgresql/` have an index each.
"""

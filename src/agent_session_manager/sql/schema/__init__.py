"""The tables, and what their rows become."""

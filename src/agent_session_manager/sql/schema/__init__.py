"""The tables, and the conversion of their rows."""

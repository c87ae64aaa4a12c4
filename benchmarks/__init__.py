"""Speeds of the product, each with its limit, measured in the same run: `python -m benchmarks`."""

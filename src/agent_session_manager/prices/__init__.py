"""Prices of model requests: a generated, dated table, and the cost of one request."""

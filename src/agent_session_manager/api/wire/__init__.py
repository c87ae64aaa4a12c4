"""Shapes on the wire, and their conversion to and from the domain: one module for each kind."""

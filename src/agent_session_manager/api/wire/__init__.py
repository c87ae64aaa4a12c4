"""Shapes on the wire, and the two ways between them and the domain."""

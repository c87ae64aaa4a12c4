"""Definitions of agents: their form, and where they are found."""

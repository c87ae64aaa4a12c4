"""Presets of agents that speak the protocol: their differences, known ones, and added ones."""

"""Executor for agents that speak the Agent Client Protocol, with presets for known ones."""

"""Agents that speak JSON-RPC over their stdin and stdout."""

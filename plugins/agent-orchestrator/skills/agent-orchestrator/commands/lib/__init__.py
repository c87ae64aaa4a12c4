"""Agent Orchestrator, the client side: starts, follows, resumes and stops sessions by name."""

__version__ = "0.1.0"

"""Transcripts: the agent's own record, kept by the manager."""

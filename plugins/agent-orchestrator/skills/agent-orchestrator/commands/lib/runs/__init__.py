"""Runs as commands and supervisors see them: assignment, launch, registry, delivery, stop."""

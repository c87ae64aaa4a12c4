"""Sends the sessions in the files of agents to the manager, each part once."""

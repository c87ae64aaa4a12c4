"""Targets of alerts, and sending an alert to one of them: a webhook or a command."""

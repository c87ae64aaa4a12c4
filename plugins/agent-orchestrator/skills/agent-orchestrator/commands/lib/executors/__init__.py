"""The interface of executors, and the executors that are not specific to one agent."""

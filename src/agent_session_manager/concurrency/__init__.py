"""The threads that read and write, and the wakeups of callers that wait for changes."""

"""What the manager does by itself: reaping, retention, backups."""

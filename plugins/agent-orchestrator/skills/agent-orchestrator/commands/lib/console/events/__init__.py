"""Events of sessions on a terminal: as text, as logs, as open questions, and as progress."""

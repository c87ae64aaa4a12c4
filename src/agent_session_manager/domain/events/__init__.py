"""Events of a session: their shape, and the questions, usage and outline that they contain."""

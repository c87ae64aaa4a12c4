"""Connection to a manager: which one, with which token, and the one of this machine."""

"""Operations on sessions, for commands and for other callers without a terminal."""

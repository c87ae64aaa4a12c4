"""Variables that say where agents keep their files: an import in the background gets them."""

AGENT_PLACES = (
    *("CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "GEMINI_CLI_HOME", "XDG_DATA_HOME"),
    *("AGENT_ORCHESTRATOR_SESSIONS_DIR", "AGENT_ORCHESTRATOR_PROJECT_DIR"),
)

"""Names of the records of a rollout. Those named silent are known, and have no item."""

from __future__ import annotations

CALLS = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "local_shell_call",
        "tool_search_call",
        "web_search_call",
        "image_generation_call",
    }
)
CALLS_WITHOUT_OUTPUT = frozenset({"web_search_call", "image_generation_call"})
OUTPUTS = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "mcp_tool_call_output",
        "tool_search_output",
    }
)
SILENT_ITEMS = frozenset(
    {"compaction", "compaction_summary", "context_compaction", "ghost_snapshot", "other"}
)
SILENT_EVENTS = frozenset(
    {
        "agent_message",
        "agent_reasoning",
        "agent_reasoning_raw_content",
        "agent_reasoning_section_break",
        "context_compacted",
        "dynamic_tool_call_request",
        "dynamic_tool_call_response",
        "entered_review_mode",
        "error",
        "exec_command_end",
        "exited_review_mode",
        "image_generation_end",
        "item_started",
        "plan_update",
        "session_configured",
        "stream_error",
        "thread_goal_updated",
        "turn_diff",
        "user_message",
        "view_image_tool_call",
        "warning",
        "web_search_end",
    }
)
SILENT_TYPES = frozenset(
    {
        "world_state",
        "inter_agent_communication",
        "inter_agent_communication_metadata",
        "retained_context",
        "security_risk_score",
        "realtime_item",
    }
)

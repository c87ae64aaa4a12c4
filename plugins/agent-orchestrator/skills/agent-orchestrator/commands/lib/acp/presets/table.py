"""The table of known agents. `docs/reference/acp.md` has the evidence for its values."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...executors.mcp_server import NAME
from .preset import Grant, MidTurn, Mode, Preset, ToolNames, UsageForm

_COPILOT = "https://agentclientprotocol.com/protocol/session-modes#"
_READS = ("read", "list", "glob", "grep", "lsp", "todoread", "todowrite", "skill")
_ACTS = ("*", "bash", "task", "webfetch", "websearch", "codesearch", "doom_loop")


def _copilot(mode: str = "agent", *, all_: str = "off", **fields: object) -> Mode:
    return Mode(mode_id=_COPILOT + mode, options={"allow_all": all_}, **fields)  # type: ignore[arg-type]


def _opencode(other: str, edit: str, mode: str = "build", *, asks: bool = True) -> Mode:
    """Return a mode of OpenCode, which by default allows nearly everything.

    Each tool is named, because a rule of the person's own configuration for one counts more than
    ours for all.
    """
    rules = {
        **dict.fromkeys(_ACTS, other),
        **dict.fromkeys(_READS, "allow"),
        "edit": edit,
        "external_directory": other,
    }
    return Mode(mode_id=mode, environment={"OPENCODE_PERMISSION": json.dumps(rules)}, asks=asks)


ACP = Preset(name="acp", agent="the agent")
"""Any other agent, which the user names with its program."""

_PRESETS = (
    Preset(
        name="copilot",
        agent="Copilot CLI",
        command=("copilot", "--acp", "--stdio"),
        how_to_install="run `npm install -g @github/copilot`",
        how_to_log_in="run `copilot login`, or set COPILOT_GITHUB_TOKEN",
        logins=("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "COPILOT_PROVIDER_BASE_URL"),
        modes={
            "default": _copilot(),
            "acceptEdits": _copilot(grant=Grant.EDITS),
            "plan": _copilot("plan"),
            "dontAsk": _copilot(asks=False),
            "bypassPermissions": _copilot(all_="on", grant=Grant.ALL),
        },
        variables=("COPILOT_*", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST"),
        environment={"COPILOT_AUTO_UPDATE": "false"},
        usage=UsageForm.PROCESS_TOTAL,
        is_cached_in_input=True,
        own_words=r"Info: .*",
        error_words="Error: ",
        mcp_over_stdio=False,
        mcp_prefers_own=True,
        mcp_arguments=("--allow-tool", "{server}", "--disable-mcp-server", NAME),
    ),
    Preset(
        name="opencode",
        agent="OpenCode",
        command=("opencode", "acp"),
        how_to_install="run `npm install -g opencode-ai`",
        how_to_log_in="run `opencode auth login`",
        logins=(
            "~/.local/share/opencode/auth.json",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "OPENROUTER_API_KEY",
            "GEMINI_API_KEY",
        ),
        modes={
            "default": _opencode("ask", "ask"),
            "acceptEdits": _opencode("ask", "allow"),
            "plan": _opencode("ask", "deny", "plan"),
            "dontAsk": _opencode("deny", "deny", asks=False),
            "bypassPermissions": _opencode("allow", "allow"),
        },
        variables=(
            "OPENCODE_*",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "OPENROUTER_API_KEY",
            "GEMINI_API_KEY",
            "GOOGLE_GENERATIVE_AI_API_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_CLOUD_PROJECT",
            "VERTEX_LOCATION",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AZURE_RESOURCE_NAME",
            "AZURE_API_KEY",
            "DEEPSEEK_API_KEY",
            "GROQ_API_KEY",
            "MISTRAL_API_KEY",
            "XAI_API_KEY",
            "MOONSHOT_API_KEY",
            "GITHUB_TOKEN",
        ),  # fmt: skip
        environment={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
        mid_turn=MidTurn.JOIN,
        usage=UsageForm.LAST_REQUEST,
        tool_names=ToolNames.TITLE,
        has_message_ids=True,
        mcp_tool_names="{server}_{tool}",
        mcp_rules="OPENCODE_PERMISSION",
    ),
    Preset(
        name="vibe",
        agent="Mistral Vibe",
        command=("vibe-acp",),
        how_to_install="run `uv tool install mistral-vibe` (Python 3.12 or later)",
        how_to_log_in="run `vibe --setup`, or set MISTRAL_API_KEY",
        logins=("MISTRAL_API_KEY", "~/.vibe/.env"),
        modes={
            "default": Mode(mode_id="ask"),
            "acceptEdits": Mode(mode_id="accept-edits"),
            "dontAsk": Mode(mode_id="ask", asks=False),
            "bypassPermissions": Mode(mode_id="auto-approve", grant=Grant.ALL),
        },
        variables=("VIBE_*", "MISTRAL_API_KEY"),
        usage=UsageForm.SESSION_TOTAL,
        is_cached_in_input=True,
        has_message_ids=True,
    ),
    Preset(
        name="kimi",
        agent="Kimi Code",
        command=("kimi", "acp"),
        how_to_install="run `npm install -g @moonshot-ai/kimi-code` (Node 22.19 or later)",
        how_to_log_in="run `kimi` and then /login there",
        logins=(
            "KIMI_MODEL_API_KEY",
            "MOONSHOT_API_KEY",
            "~/.kimi-code/credentials/kimi-code.json",
        ),
        modes={
            # Its default mode edits files of the project without asking.
            "acceptEdits": Mode(mode_id="default", grant=Grant.EDITS),
            "plan": Mode(mode_id="plan"),
            "auto": Mode(mode_id="auto"),
            "bypassPermissions": Mode(mode_id="yolo", grant=Grant.ALL),
        },
        variables=("KIMI_*", "MOONSHOT_API_KEY"),
        environment={"KIMI_CODE_NO_AUTO_UPDATE": "1"},
        tool_names=ToolNames.TITLE,
        mcp_tool_names="mcp__{server}__{tool}",
    ),
    Preset(
        name="qwen",
        agent="Qwen Code",
        command=("qwen", "--acp"),
        how_to_install="run `npm install -g @qwen-code/qwen-code` (Node 22 or later)",
        how_to_log_in="run `qwen` and then /auth there, or set OPENAI_API_KEY",
        logins=("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "~/.qwen/oauth_creds.json"),
        modes={
            "default": Mode(mode_id="default"),
            "acceptEdits": Mode(mode_id="auto-edit"),
            "plan": Mode(mode_id="plan"),
            "dontAsk": Mode(mode_id="default", asks=False),
            "auto": Mode(mode_id="auto"),
            "bypassPermissions": Mode(mode_id="yolo", grant=Grant.ALL),
        },
        variables=(
            "QWEN_*",
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "OPENAI_MODEL",
            "DASHSCOPE_API_KEY",
        ),  # fmt: skip
        usage=UsageForm.EACH_REQUEST,
        is_cached_in_input=True,
        mcp_tool_names="mcp__{server}__{tool}",
    ),
    Preset(
        name="gemini",
        agent="Gemini CLI",
        command=("gemini", "--acp"),
        how_to_install="run `npm install -g @google/gemini-cli`",
        how_to_log_in="run `gemini` once, or set GEMINI_API_KEY",
        logins=("GEMINI_API_KEY", "GOOGLE_API_KEY", "~/.gemini/oauth_creds.json"),
        modes={
            "default": Mode(mode_id="default"),
            "acceptEdits": Mode(mode_id="autoEdit"),
            "plan": Mode(mode_id="plan"),
            "dontAsk": Mode(mode_id="default", asks=False),
            "bypassPermissions": Mode(mode_id="yolo", grant=Grant.ALL),
        },
        variables=(
            "GEMINI_*",
            "GOOGLE_API_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_CLOUD_PROJECT",
            "GOOGLE_CLOUD_LOCATION",
            "GOOGLE_GENAI_USE_VERTEXAI",
            "GOOGLE_GENAI_USE_GCA",
            "GOOGLE_GEMINI_BASE_URL",
        ),  # fmt: skip
        environment={"GEMINI_CLI_NO_RELAUNCH": "true"},
        usage=UsageForm.TURN_QUOTA,
        tool_names=ToolNames.CALL_ID,
        mcp_tool_names="mcp_{server}_{tool}",
        # A load leaves a second file of the same id. Its next start finds that file empty, and
        # removes all files of this id.
        continue_with="gemini --resume {id}",
    ),
)
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _PRESETS}

// Preloaded into Claude Code (`BUN_OPTIONS`). Claude Code stops its search for agents after
// 3 seconds and continues with the agents found so far. This file raises that limit to 60 seconds.
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (milliseconds) => timeout(Math.max(milliseconds, 60_000));

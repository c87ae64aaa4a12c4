// Preloaded into Claude Code (`BUN_OPTIONS`): it ends its search for agents after 3 seconds, and
// goes on with what it has found until then. Under test it waits as long as the tests do.
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (milliseconds) => timeout(Math.max(milliseconds, 60_000));

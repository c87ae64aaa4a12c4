/** Links to the list of sessions behind a figure, with a filter in the words of its search box. */

export interface Behind {
  readonly project?: string | null;
  readonly agent?: string | null;
  readonly model?: string | null;
  readonly session_id?: string | null;
  /** A duration such as `7d`, or a local day as YYYY-MM-DD. */
  readonly since?: string;
  /** The last local day. */
  readonly until?: string;
}

const PLAIN = /^[^\s":][^\s"]*$/;

/** Return a link to the sessions that a figure sums up. Null for a value means that it is unknown: no token. */
export function sessionsBehind(behind: Behind): string {
  const tokens = Object.entries(behind)
    .filter((entry): entry is [string, string] => Boolean(entry[1]))
    .map(([name, value]) => `${name}:${quoted(value)}`);
  return tokens.length === 0 ? "#/sessions" : `#/sessions?${new URLSearchParams({ q: tokens.join(" ") })}`;
}

function quoted(value: string): string {
  return PLAIN.test(value) ? value : `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
}

import type { ApiError } from "../api/errors";
import { visible } from "../text/visible";

/** The problem of a malformed query, and its place in the query. */
export function MalformedQuery({ query, error }: { query: string; error: ApiError }) {
  const characters = [...query]; // the manager counts code points
  const at = error.position ?? characters.length;
  return (
    <div className="malformed" role="alert">
      <p className="problem">{error.message}</p>
      <pre>
        {visible(characters.slice(0, at).join(""))}
        <mark>{visible(characters[at] ?? "") || "\u2423"}</mark>
        {visible(characters.slice(at + 1).join(""))}
      </pre>
    </div>
  );
}

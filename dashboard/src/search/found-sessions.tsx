import { useState } from "react";
import { sessionLink } from "../text/address/route";
import { plural, shortPath } from "../text/format";
import { oneLine } from "../text/visible";
import { Line } from "../ui/text";
import type { FoundSession } from "../wire";

const SHOWN = 4;

/** The sessions whose names match. */
export function FoundSessions({ sessions }: { sessions: readonly FoundSession[] }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? sessions : sessions.slice(0, SHOWN);
  return (
    <section aria-labelledby="found-sessions">
      <h2 id="found-sessions">Sessions</h2>
      <ul className="found-sessions">
        {shown.map((session) => (
          <li key={session.session_id}>
            <a href={sessionLink(session.session_id)} data-hit={session.session_id}>
              <Line text={session.session_name} />
            </a>
            {session.project_dir && (
              <span className="quiet-text">
                <Line text={shortPath(session.project_dir)} title={oneLine(session.project_dir)} />
              </span>
            )}
          </li>
        ))}
      </ul>
      {shown.length < sessions.length && (
        <button type="button" className="show-all" onClick={() => setWhole(true)}>
          {plural(sessions.length - shown.length, "more session")}
        </button>
      )}
    </section>
  );
}

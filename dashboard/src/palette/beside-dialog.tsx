import { useState } from "react";
import { besideLink } from "../text/address/route";
import { visible } from "../text/visible";
import type { Session } from "../wire";
import { FinderDialog } from "./finder-dialog";
import { type Entry, toEntry, useFoundSessions } from "./use-palette-entries";
import { useRelated } from "./use-related";

/** Chooses the session to open beside another one: a related one, or any by its name. */
export function BesideDialog({ session, onClose }: { session: Session; onClose(): void }) {
  const [query, setQuery] = useState("");
  const found = useFoundSessions(query);
  const related = useRelated(session);
  const relatedIds = new Set(related.map((each) => each.session.session_id));
  const isOther = ({ session_id }: Session) => session_id !== session.session_id;
  const toOpen = (other: Session): Entry => ({
    ...toEntry(other),
    link: besideLink({ ids: [session.session_id, other.session_id] }),
  });
  const others = found.filter((each) => isOther(each) && (query !== "" || !relatedIds.has(each.session_id)));
  return (
    <FinderDialog
      label={`Open beside “${visible(session.session_name)}”`}
      placeholder="The name of a session"
      groups={[
        {
          name: "Related",
          entries:
            query === ""
              ? related.map(({ session: other, relation }) => ({
                  ...toOpen(other),
                  key: `${relation} ${other.session_id}`,
                  detail: relation,
                }))
              : [],
        },
        { name: query === "" ? "Newest" : "Sessions", entries: others.map(toOpen) },
      ]}
      foot={query !== "" && others.length === 0 && <p>No other session has this name.</p>}
      keys={
        <>
          <kbd>Enter</kbd> opens · <kbd>Escape</kbd> closes
        </>
      }
      onQuery={setQuery}
      onClose={onClose}
    />
  );
}

import { useQuery } from "@tanstack/react-query";
import { getSession } from "../../api/routes";
import { sessionLink } from "../../text/address/route";
import { plural } from "../../text/format";
import { Icon } from "../../ui/icons";
import { Line } from "../../ui/text";

export interface CopiedEvents {
  readonly count: number;
  /** The session from which they were copied. */
  readonly from: string;
}

interface CopiedFoldProps {
  readonly copied: CopiedEvents;
  readonly isOpen: boolean;
  onToggle(): void;
}

/** One line for the events that a fork has copied; it opens to show them. */
export function CopiedFold({ copied, isOpen, onToggle }: CopiedFoldProps) {
  const origin = useQuery({
    queryKey: ["origin", copied.from],
    queryFn: ({ signal }) => getSession(copied.from, signal),
  });
  return (
    <div className="copied-fold" data-testid="copied">
      <button type="button" className="subagent-fold" aria-expanded={isOpen} onClick={onToggle}>
        <Icon name="chevron" className="fold-mark" />
        {plural(copied.count, "event")} copied
      </button>
      <span>
        {" from "}
        {origin.isError ? (
          <>
            <Line text={copied.from} />, which is not here
          </>
        ) : (
          <a href={sessionLink(copied.from)}>
            <Line text={origin.data?.session_name ?? copied.from} />
          </a>
        )}
      </span>
    </div>
  );
}

import { type ReactNode, useContext, useState } from "react";
import { plural } from "../../text/format";
import { oneLine, visible } from "../../text/visible";
import { Clipped, Sought, WholeText } from "../../ui/text";
import { isRecord } from "../../wire";

interface JsonTreeProps {
  readonly value: unknown;
  readonly name?: string;
  readonly depth?: number;
}

const OPEN_DEPTH = 1;
/** Deeper levels are folded on paper too, as the nesting of foreign data has no limit. */
const PAPER_DEPTH = 20;
/** Number of members shown at first; the others are shown on demand. */
const SHOWN_MEMBERS = 100;

/** Formatted JSON, folded below its first level. */
export function JsonTree({ value, name, depth = 0 }: JsonTreeProps): ReactNode {
  if (!Array.isArray(value) && !isRecord(value)) {
    return (
      <div className="json-line">
        <Name name={name} />
        <Leaf value={value} />
      </div>
    );
  }
  return <Branch value={value} name={name} depth={depth} />;
}

interface BranchProps {
  readonly value: readonly unknown[] | Readonly<Record<string, unknown>>;
  readonly name: string | undefined;
  readonly depth: number;
}

function Branch({ value, name, depth }: BranchProps) {
  const isOnPaper = useContext(WholeText);
  const sought = useContext(Sought);
  const [isOpen, setOpen] = useState(
    () => depth < (isOnPaper ? PAPER_DEPTH : OPEN_DEPTH) || sought?.isIn(value) === true,
  );
  const [isWhole, setWhole] = useState(
    () => isOnPaper || sought?.isIn(Object.values(value).slice(SHOWN_MEMBERS)) === true,
  );
  const isList = Array.isArray(value);
  const members = Object.entries(value);
  const shown = isWhole ? members : members.slice(0, SHOWN_MEMBERS);
  const count = isList
    ? plural(members.length, "entry").replace("entrys", "entries")
    : plural(members.length, "field");
  if (members.length === 0) {
    return (
      <div className="json-line">
        <Name name={name} />
        {isList ? "[ ]" : "{ }"}
      </div>
    );
  }
  return (
    <div className="json-branch">
      {depth > 0 && (
        <button type="button" className="json-fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Name name={name} />
          <span className="quiet-text">{isList ? `[ ${count} ]` : `{ ${count} }`}</span>
        </button>
      )}
      {isOpen && (
        <div className={depth > 0 ? "json-members" : ""}>
          {shown.map(([key, member]) => (
            <JsonTree key={key} value={member} name={key} depth={depth + 1} />
          ))}
          {shown.length < members.length && (
            <button type="button" className="show-all below" onClick={() => setWhole(true)}>
              Show all {members.length}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <bdi className="json-name">{oneLine(name)}</bdi>;
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value !== "string") return <span className="json-scalar">{String(value)}</span>;
  return (
    <Clipped text={value} limit={2000}>
      {(shown) => (
        <bdi className="json-text" dir="auto">
          {visible(shown)}
        </bdi>
      )}
    </Clipped>
  );
}

import { useEffect, useRef, useState } from "react";
import { lastList } from "../hooks/left-place";
import { useKeys } from "../hooks/use-keys";
import { useMedia } from "../hooks/use-media";
import { goTo } from "../hooks/use-route";
import { useTitle } from "../hooks/use-title";
import { besideLink, type Pair, sessionLink } from "../text/address/route";
import { oneLine } from "../text/visible";
import { Empty, Failed } from "../ui/empty";
import { StateBadge } from "../ui/state-badge";
import { Line } from "../ui/text";
import "../styles/session-page/page.css";
import "../styles/session-page/header.css";
import "../styles/session-page/side.css";
import "../styles/session-page/parts.css";
import "../styles/session-page/actions.css";
import "../styles/session-page/narrow.css";
import "../styles/session-page/lane-head.css";
import "../styles/session-page/event-rows.css";
import "../styles/session-page/content.css";
import "../styles/session-page/rich-text.css";
import "../styles/beside.css";
import { Compare } from "./compare";
import { Side } from "./side";
import { type SideOfTwo, sessionOf, useSide } from "./use-side";

type Place = 0 | 1;
const PLACES: readonly Place[] = [0, 1];

/** Two sessions beside each other, or compared in a table. They share the feed of all sessions. */
export function BesideView({ pair }: { pair: Pair }) {
  const { ids, at, isCompared } = pair;
  const sides = [useSide(ids[0]), useSide(ids[1])] as const;
  const isNarrow = useMedia("(max-width: 760px)");
  const [active, setActive] = useState<Place>(0);
  const [focus, setFocus] = useState<{ readonly place: Place } | null>(null);
  const [leavingTo, setLeavingTo] = useState<string | null>(null);
  const elements = useRef<(HTMLElement | null)[]>([]);

  const goToOther = () => {
    const place = active === 0 ? 1 : 0;
    setActive(place);
    setFocus({ place });
  };
  useEffect(() => {
    if (focus === null) return;
    const element = elements.current[focus.place];
    (element?.querySelector<HTMLElement>("[data-testid=timeline]") ?? element)?.focus();
  }, [focus]);
  // The sides go first, so that they keep their places for the page of the one that stays.
  useEffect(() => {
    if (leavingTo !== null) goTo(leavingTo);
  }, [leavingTo]);

  const turned = besideLink({ ...pair, isCompared: !isCompared });
  const leave = () => goTo(lastList());
  useKeys({
    Escape: leave,
    c: () => goTo(turned),
    ...(!isCompared && { o: goToOther }),
  });
  const names = sides.map((side) => sessionOf(side)?.session_name ?? side.sessionId);
  useTitle(names.map(oneLine).join(" | "));

  if (leavingTo !== null) return null;
  return (
    <div className="beside">
      <h1 className="visually-hidden">Two sessions</h1>
      <div className="beside-bar">
        <nav className="tabs" aria-label="Two sessions">
          <a href={besideLink({ ...pair, isCompared: false })} aria-current={isCompared ? undefined : "page"}>
            Side by side
          </a>
          <a href={besideLink({ ...pair, isCompared: true })} aria-current={isCompared ? "page" : undefined}>
            Compare
            <kbd className="wide-only">c</kbd>
          </a>
        </nav>
        {!isCompared && isNarrow && (
          <div className="beside-choice" role="group" aria-label="Side to show">
            {PLACES.map((place) => (
              <button
                key={place}
                type="button"
                className="button"
                aria-pressed={place === active}
                onClick={() => setActive(place)}
              >
                <SideState side={sides[place]} />
                <Line text={names[place] ?? ""} />
              </button>
            ))}
          </div>
        )}
        {!isCompared && !isNarrow && (
          <button type="button" className="button quiet" title="Go to the other side (o)" onClick={goToOther}>
            Other side <kbd>o</kbd>
          </button>
        )}
      </div>
      {isCompared && <ComparedSides sides={sides} />}
      {!isCompared && (
        <div className="beside-sides">
          {PLACES.filter((place) => !isNarrow || place === active).map((place) => (
            <Side
              key={place}
              side={sides[place]}
              place={place}
              at={at[place]}
              pair={pair}
              isActive={place === active}
              ref={(element) => {
                elements.current[place] = element;
              }}
              onActive={() => setActive(place)}
              onClose={() => setLeavingTo(sessionLink(ids[place === 0 ? 1 : 0]))}
            />
          ))}
        </div>
      )}
    </div>
  );
}

/** The comparison, or the reason why there is nothing to compare. */
function ComparedSides({ sides }: { sides: readonly [SideOfTwo, SideOfTwo] }) {
  const [left, right] = [sessionOf(sides[0]), sessionOf(sides[1])];
  if (left && right) {
    return (
      <Compare
        left={{ session: left, outline: sides[0].outline }}
        right={{ session: right, outline: sides[1].outline }}
      />
    );
  }
  const missing = sides.find(({ followed, error }) => followed.phase === "gone" || error);
  if (!missing) return <div className="loading" role="status" aria-label="Loading the sessions" />;
  const name = oneLine(missing.sessionId);
  if (missing.error && missing.followed.phase !== "gone") {
    return <Failed error={missing.error} retry={missing.retry} />;
  }
  return (
    <Empty title={`The session ${name} does not exist or was deleted, so there is nothing to compare.`} />
  );
}

function SideState({ side }: { side: ReturnType<typeof useSide> }) {
  const session = sessionOf(side);
  return session && <StateBadge state={session.state} />;
}

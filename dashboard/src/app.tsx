import { useState, useSyncExternalStore } from "react";
import type { Connection } from "./api/stream";
import { currentToken, watchToken } from "./api/token";
import { CostView } from "./cost/cost-view";
import { Entry } from "./entry";
import { useRingsBell } from "./hooks/bell";
import { SessionsFeedProvider } from "./hooks/sessions-feed-provider";
import { useRoute } from "./hooks/use-route";
import { NowView } from "./now/now-view";
import { Palette } from "./search/palette";
import { SearchView } from "./search/search-view";
import { SessionsView } from "./session-list/sessions-view";
import { SessionView } from "./session-page/session-view";
import { Shell } from "./shell";
import { nowLink, type Route } from "./text/route";
import { Boundary } from "./ui/boundary";
import { Empty } from "./ui/empty";

export function App() {
  const token = useSyncExternalStore(watchToken, currentToken);
  const isRinging = useRingsBell();
  const route = useRoute();
  const [followed, setFollowed] = useState<Connection>("connecting");

  if (token === null || route.view === "code") return <Entry route={route} />;
  const isSession = route.view === "session";
  return (
    <SessionsFeedProvider key={token} isNeeded={!isSession || isRinging} isKept={isRinging}>
      <Shell route={route} followed={isSession ? followed : null} isRinging={isRinging}>
        <Boundary key={route.view} fallback={<Broken />}>
          <Place route={route} onConnection={setFollowed} />
        </Boundary>
      </Shell>
      <Palette route={route} />
    </SessionsFeedProvider>
  );
}

/** Shown after a defect, or if the manager no longer has a file of the older build that this tab runs. */
function Broken() {
  return (
    <Empty title="This view cannot be shown.">
      <button type="button" className="button" onClick={() => window.location.reload()}>
        Reload the page
      </button>
    </Empty>
  );
}

function Place({ route, onConnection }: { route: Route; onConnection: (connection: Connection) => void }) {
  switch (route.view) {
    case "now":
      return <NowView isAnswering={route.isAnswering} />;
    case "code":
      return <NowView isAnswering={false} />;
    case "cost":
      return <CostView place={route.place} />;
    case "sessions":
      return <SessionsView address={route.list} />;
    case "search":
      return <SearchView filter={route.filter} />;
    case "session":
      return (
        <SessionView
          key={route.sessionId}
          sessionId={route.sessionId}
          seq={route.seq}
          query={route.query}
          part={route.part}
          onConnection={onConnection}
        />
      );
    case "unknown":
      return (
        <Empty title="There is nothing at this address.">
          <a href={nowLink()}>Go to Now</a>
        </Empty>
      );
  }
}

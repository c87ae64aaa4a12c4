import { useState, useSyncExternalStore } from "react";
import type { Connection } from "./api/stream";
import { currentToken, watchToken } from "./api/token";
import { Entry } from "./entry";
import { SeenMarksProvider } from "./feed/seen-marks-provider";
import { SessionsFeedProvider } from "./feed/sessions-feed-provider";
import { useRingsBell } from "./hooks/bell";
import { useRoute } from "./hooks/use-route";
import { Palette } from "./palette/palette";
import { SearchView } from "./search/search-view";
import { Shell } from "./shell";
import { nowLink, type Route } from "./text/address/route";
import { Boundary } from "./ui/boundary";
import { Empty } from "./ui/empty";
import { VIEWS, View } from "./views";

export function App() {
  const token = useSyncExternalStore(watchToken, currentToken);
  const isRinging = useRingsBell();
  const route = useRoute();
  const [followed, setFollowed] = useState<Connection>("connecting");

  if (token === null || route.view === "code") return <Entry route={route} />;
  const isSession = route.view === "session";
  return (
    <SessionsFeedProvider key={token} isNeeded={!isSession || isRinging} isKept={isRinging}>
      <SeenMarksProvider>
        <Shell route={route} followed={isSession ? followed : null} isRinging={isRinging}>
          <Boundary key={route.view} fallback={<Broken />}>
            <Place route={route} onConnection={setFollowed} />
          </Boundary>
        </Shell>
        <Palette route={route} />
      </SeenMarksProvider>
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

interface PlaceProps {
  readonly route: Route;
  onConnection(connection: Connection): void;
}

function Place({ route, onConnection }: PlaceProps) {
  switch (route.view) {
    case "now":
    case "code":
      return <View file={VIEWS.now} props={{ isAnswering: route.view === "now" && route.isAnswering }} />;
    case "cost":
      return <View file={VIEWS.cost} props={{ place: route.place }} />;
    case "sessions":
      return <View file={VIEWS.sessions} props={{ address: route.list }} />;
    case "search":
      return <SearchView filter={route.filter} />;
    case "session":
      return (
        <View
          key={route.sessionId}
          file={VIEWS.session}
          props={{
            sessionId: route.sessionId,
            seq: route.seq,
            query: route.query,
            part: route.part,
            alone: route.alone,
            onConnection,
          }}
        />
      );
    case "beside":
      return <View key={route.pair.ids.join(" ")} file={VIEWS.beside} props={{ pair: route.pair }} />;
    case "unknown":
      return (
        <Empty title="There is nothing at this address.">
          <a href={nowLink()}>Go to Now</a>
        </Empty>
      );
  }
}

import { useEffect, useState } from "react";
import { explain, hasCode } from "./api/errors";
import { exchangeCode } from "./api/routes";
import { joinTabs, keepToken, wasLetIn } from "./api/token";
import logo from "./favicon.svg";
import { replaceRoute } from "./hooks/use-route";
import { forgetAsked, keepAsked, takeAsked } from "./state/asked";
import { nowLink, type Route } from "./text/address/route";
import { oneLine } from "./text/visible";
import { CommandLine } from "./ui/command-line";

/** Time in which another tab answers, if there is one. */
const ANSWER_MS = 400;

/** The page for people who are not signed in; it only explains how to sign in. */
export function Entry({ route }: { route: Route }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(route.view !== "code" && !wasLetIn());
  const [code, place] = route.view === "code" ? [route.code, route.place] : [null, null];
  const asked = askedFor(route);

  useEffect(() => {
    if (code === null) return joinTabs();
    // First remove the code from the address, as it must not stay in the history.
    replaceRoute(place ?? takeAsked() ?? nowLink());
    exchangeOnce(code).then(keepToken, (error: unknown) => {
      setProblem(
        hasCode(error, "code_not_valid") ? "This link was used before, or has expired." : explain(error),
      );
    });
  }, [code, place]);

  useEffect(() => {
    if (asked === null) return;
    keepAsked(window.location.hash);
    window.addEventListener("pagehide", forgetAsked);
    return () => window.removeEventListener("pagehide", forgetAsked);
  }, [asked]);

  useEffect(() => {
    const timer = setTimeout(() => setAsking(false), ANSWER_MS);
    return () => clearTimeout(timer);
  }, []);

  if (isAsking) {
    return (
      <main className="entry">
        <p role="status">Asking your other tabs …</p>
      </main>
    );
  }
  return (
    <main className="entry">
      <div className="entry-card">
        <h1>
          <img src={logo} alt="" width="26" height="26" /> Agent Session Manager
        </h1>
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {!problem && wasLetIn() && (
          <p className="problem" role="alert">
            You are signed out: you used “Sign out”, the manager was restarted, or the token was revoked.
          </p>
        )}
        {asked && <p>This link opens {asked}.</p>}
        <p>To open the dashboard, run this command in a terminal on the machine of the manager:</p>
        <CommandLine text="ao-dashboard" />
        <p className="quiet-text">
          It opens the page with a link that works once. <strong>This tab then opens automatically</strong>,
          as it does if the dashboard is open in another tab.
        </p>
      </div>
    </main>
  );
}

/** Describe the target of a link in words; null for Now. */
function askedFor(route: Route): string | null {
  switch (route.view) {
    case "sessions":
      return "the list of sessions";
    case "search":
      return "a search";
    case "now":
      return route.isAnswering ? "the open questions" : null;
    case "cost":
      return "the page Cost";
    case "session":
      return `the session “${oneLine(route.sessionId)}”${route.seq === null ? "" : `, event ${route.seq}`}`;
    default:
      return null;
  }
}

const exchanges = new Map<string, Promise<string>>();

/** Exchange a code only once, as an effect may run twice. */
function exchangeOnce(code: string): Promise<string> {
  const running = exchanges.get(code) ?? exchangeCode(code);
  exchanges.set(code, running);
  return running;
}

import { useEffect, useState } from "react";
import { explain, hasCode } from "./api/errors";
import { exchangeCode } from "./api/routes";
import { keepToken } from "./api/token";
import logo from "./favicon.svg";
import { replaceRoute } from "./hooks/use-route";
import { overviewLink } from "./text/route";
import { CommandLine } from "./ui/command-line";

/** What somebody sees who is not let in yet: how to get in, and nothing else. */
export function Entry({ code }: { code: string | null }) {
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (code === null) return;
    // Out of the address before anything else: a code must not stay in the history.
    replaceRoute(overviewLink());
    exchangeOnce(code).then(keepToken, (error: unknown) => {
      setProblem(
        hasCode(error, "code_not_valid") ? "This link was used before, or is too old." : explain(error),
      );
    });
  }, [code]);

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
        <p>To open the dashboard, run this in a terminal on the machine of the manager:</p>
        <CommandLine text="ao-dashboard" />
        <p className="quiet-text">
          It opens this page with a link that works once and lets this tab in until it is closed.
        </p>
      </div>
    </main>
  );
}

const exchanges = new Map<string, Promise<string>>();

/** A code works once, and an effect may run twice. */
function exchangeOnce(code: string): Promise<string> {
  const running = exchanges.get(code) ?? exchangeCode(code);
  exchanges.set(code, running);
  return running;
}

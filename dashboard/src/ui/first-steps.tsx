import { CommandLine } from "./command-line";
import { Empty } from "./empty";

/** What to do while there are no sessions. */
export function FirstSteps() {
  return (
    <Empty title="No sessions yet.">
      <p>
        Import the sessions that coding agents have left on this machine. Their files are only read, and you
        can repeat the import at any time.
      </p>
      <CommandLine text="ao-import" />
      <p>
        To keep following the agents, run <code>ao-import --watch</code>, or start the manager with{" "}
        <code>agent-session-manager serve --import</code>.
      </p>
      <p>Or start a session:</p>
      <CommandLine text="ao-new my-first-session -p 'Say what this project is about.'" />
      <p>Sessions appear here automatically.</p>
    </Empty>
  );
}

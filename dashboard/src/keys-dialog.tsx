import { Dialog } from "./ui/dialog";

const KEYS: readonly (readonly [string, string])[] = [
  ["Ctrl K", "search or do"],
  [
    "/",
    "search; in the list: go to the filter; in a session: find in it, or go to an event by its number, as in :41",
  ],
  ["j or ↓, k or ↑", "next, previous session or hit"],
  ["Enter", "open it; in a session: next hit; with Shift the previous one"],
  ["f", "go to the filter; in a session: search in it with all filters"],
  ["J, K", "in a session: next, previous prompt"],
  ["Home, End", "in the list: the first, the last session"],
  ["x, X", "in the list: select the session, or all up to it"],
  ["s", "in the list: stop the session, or the selected ones"],
  ["n, p", "in a session: next, previous tool call"],
  ["e, E", "in a session: next, previous failure or denial"],
  ["G", "in a session: go to the end"],
  ["t", "in a session that runs: tell the agent something"],
  ["[, ]", "in a session: previous, next session of the list"],
  ["o", "two sessions: go to the other side"],
  ["c", "two sessions: compare them, or show them beside each other"],
  ["Escape", "in a session: back to the list"],
  ["g n, g s, g c, g q", "go to Now, to the sessions, to Cost, to the questions"],
  ["Space", "in Now: look into the session"],
  ["a, 1–9", "in Now: answer; focus a choice"],
  ["x, s, u", "in Now: select, stop, mark as seen or unseen"],
  [".", "in Now: more"],
  ["?", "show these shortcuts"],
];

export function KeysDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, effect]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

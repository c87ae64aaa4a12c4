import { Dialog } from "./ui/dialog";

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "search"],
  ["j or ↓, k or ↑", "next, previous session or hit"],
  ["Enter", "open it"],
  ["f", "go to the filter; in a session: search only in it"],
  ["#", "in a session: go to the event number"],
  ["n, p", "in a session: next, previous tool call"],
  ["e", "in a session: first error"],
  ["G", "in a session: go to the end"],
  ["g s, g o, g q", "go to the sessions, to the overview, to the questions"],
  ["j, k, 1–9", "in the questions: next, previous, focus a choice"],
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

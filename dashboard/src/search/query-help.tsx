const TERMS: readonly (readonly [term: string, finds: string])[] = [
  ["connection refused", "events with both words, in any order"],
  ['"connection refused"', "these words, one after the other"],
  ["pars*", "words that begin so: parser, parsing"],
  ["timeout -retry", "events with the first word and without the second"],
  ["file:src/a.py", "tool calls with this file in their input"],
];

/** What can be searched, while nothing is. */
export function QueryHelp() {
  return (
    <div className="empty" data-testid="empty">
      <p className="empty-title">Search all messages, tool calls, outputs and errors.</p>
      <dl className="query-help">
        {TERMS.map(([term, finds]) => (
          <div key={term}>
            <dt>
              <code>{term}</code>
            </dt>
            <dd>{finds}</dd>
          </div>
        ))}
      </dl>
      <p>Case and accents do not count.</p>
    </div>
  );
}

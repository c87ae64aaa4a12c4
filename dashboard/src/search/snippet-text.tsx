import { marked } from "../text/marked";
import { visible } from "../text/visible";
import type { Snippet } from "../wire";

/** The part of a text around the first match, with the matches marked. */
export function SnippetText({ snippet }: { snippet: Snippet }) {
  return (
    <bdi className="snippet">
      {!snippet.is_beginning && "…"}
      {marked(snippet).map(({ text, isMatch, start }) =>
        isMatch ? <mark key={start}>{visible(text)}</mark> : visible(text),
      )}
      {!snippet.is_end && "…"}
    </bdi>
  );
}

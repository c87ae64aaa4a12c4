import { useState } from "react";
import type { Block } from "../../text/content/blocks";
import { oneLine } from "../../text/visible";
import { PlainText } from "../../ui/text";

/** Blocks in a column: text, images that are safe to show, and a description of everything else. */
export function Blocks({
  blocks,
  renderText,
}: {
  blocks: readonly Block[];
  renderText: (text: string) => React.ReactNode;
}) {
  return blocks.map((block, place) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the blocks of one event never change their places
    <div key={place} className="block">
      {block.kind === "text" && renderText(block.text)}
      {block.kind === "image" && <Picture src={block.src} words={block.words} />}
      {block.kind === "words" && <p className="block-words">[{oneLine(block.words)}]</p>}
      {block.kind === "words" && block.text !== null && <PlainText text={block.text} />}
    </div>
  ));
}

function Picture({ src, words }: { src: string; words: string }) {
  const [isWhole, setWhole] = useState(false);
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return <p className="block-words">[{words}, cannot be shown]</p>;
  return (
    <button
      type="button"
      className={`picture ${isWhole ? "is-whole" : ""}`}
      aria-expanded={isWhole}
      title={isWhole ? "Show smaller" : "Show in full size"}
      onClick={() => setWhole(!isWhole)}
    >
      <img src={src} alt={words} decoding="async" onError={() => setBroken(true)} />
      <span className="block-words">{words}</span>
    </button>
  );
}

import { Fragment, type ReactNode } from "react";
import { type HighlightNode, highlight } from "./highlight";

/** A text with syntax highlighting for common languages. */
export default function Highlighted({ text, language }: { text: string; language: string }) {
  return render(highlight(text, language));
}

function render(nodes: readonly HighlightNode[]): ReactNode {
  return nodes.map((node, place) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one text never change their places
    if (node.type === "text") return <Fragment key={place}>{node.value}</Fragment>;
    if (node.type !== "element") return null;
    const classes = node.properties.className;
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: as above
      <span key={place} className={Array.isArray(classes) ? classes.join(" ") : ""}>
        {render(node.children)}
      </span>
    );
  });
}

import { Fragment, memo, type ReactNode } from "react";
import { CopyButton } from "../../ui/copy-button";
import { Clipped } from "../../ui/text";
import { type HighlightNode, highlight } from "./highlight";

/** Code, with syntax highlighting for common languages. */
export const Code = memo(function Code({ text, language }: { text: string; language: string | null }) {
  return (
    <div className="code">
      <div className="code-head">
        <span>{language ?? ""}</span>
        <CopyButton label="Copy the code" text={text} isCompact />
      </div>
      <Clipped text={text}>
        {(shown) => (
          <pre dir="ltr">
            <code>{render(highlight(shown, language))}</code>
          </pre>
        )}
      </Clipped>
    </div>
  );
});

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

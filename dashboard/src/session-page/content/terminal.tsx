import { memo } from "react";
import { pieces } from "../../text/content/terminal";
import { Clipped, scrollByKeys } from "../../ui/text";

/** The terminal output of a program, with its colours. */
export const Terminal = memo(function Terminal({ text }: { text: string }) {
  return (
    <Clipped text={text}>
      {(shown) => (
        <pre ref={(element) => scrollByKeys(element)} className="terminal" dir="ltr">
          {pieces(shown).map((piece, place) => (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one text never change their places
              key={place}
              className={piece.classes}
              style={{ color: piece.color ?? undefined, background: piece.background ?? undefined }}
            >
              {piece.text}
            </span>
          ))}
        </pre>
      )}
    </Clipped>
  );
});

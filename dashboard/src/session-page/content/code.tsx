import { lazy, memo } from "react";
import { CopyButton } from "../../ui/copy-button";
import { Late } from "../../ui/late";
import { Clipped, scrollByKeys } from "../../ui/text";

const Highlighted = lazy(() => import("./highlighted"));

/** Code, with syntax highlighting for common languages as soon as that is loaded. */
export const Code = memo(function Code({ text, language }: { text: string; language: string | null }) {
  return (
    <div className="code">
      <div className="code-head">
        <span>{language ?? ""}</span>
        <CopyButton label="Copy the code" text={text} isCompact />
      </div>
      <Clipped text={text}>
        {(shown) => (
          <pre dir="ltr" ref={scrollByKeys}>
            <code>
              {language === null ? (
                shown
              ) : (
                <Late fallback={shown}>
                  <Highlighted text={shown} language={language} />
                </Late>
              )}
            </code>
          </pre>
        )}
      </Clipped>
    </div>
  );
});

import { useEffect, useState } from "react";
import { explain } from "../api/errors";
import { Icon } from "./icons";
import { useToasts } from "./toasts";

interface CopyButtonProps {
  readonly label: string;
  /** A longer name, which begins with the label. */
  readonly title?: string;
  /** The text to copy, or a function that loads it. */
  readonly text: string | (() => Promise<string>);
  readonly isCompact?: boolean;
  readonly icon?: "copy" | "link" | "terminal";
}

const SHOWN_MS = 1600;

export function CopyButton({
  label,
  title = label,
  text,
  isCompact = false,
  icon = "copy",
}: CopyButtonProps) {
  const [isCopied, setCopied] = useState(false);
  const { show } = useToasts();

  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);

  async function copy(): Promise<void> {
    try {
      await writeClipboard(typeof text === "string" ? text : await text());
      setCopied(true);
    } catch (error) {
      show({ text: `Not copied: ${explain(error)}` });
    }
  }

  return (
    <button
      type="button"
      className={isCompact ? "icon-button" : "button quiet"}
      aria-label={title}
      title={title}
      onClick={copy}
    >
      <Icon name={isCopied ? "finished" : icon} />
      {!isCompact && <span>{isCopied ? "Copied" : label}</span>}
      <span role="status" className="visually-hidden">
        {isCopied ? "Copied" : ""}
      </span>
    </button>
  );
}

/** Return a function that copies a text, or a text that it loads, and tells it in a toast. */
export function useCopy(): (text: string | (() => Promise<string>)) => Promise<void> {
  const { show } = useToasts();
  return async (text) => {
    try {
      await writeClipboard(typeof text === "string" ? text : await text());
      show({ text: "Copied." });
    } catch (error) {
      show({ text: `Not copied: ${explain(error)}` });
    }
  };
}

async function writeClipboard(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  throw new Error("the browser permits copying only on https and on localhost");
}

import { CopyButton } from "./copy-button";

export function CommandLine({ text, purpose }: { text: string; purpose?: string }) {
  return (
    <div className="command">
      {purpose && <span className="command-purpose">{purpose}</span>}
      <div className="command-line">
        <code>{text}</code>
        <CopyButton label={purpose ? `Copy: ${purpose}` : "Copy the command"} text={text} isCompact />
      </div>
    </div>
  );
}

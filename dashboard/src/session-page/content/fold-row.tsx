import type { ReactNode } from "react";
import { Icon } from "../../ui/icons";

interface FoldRowProps {
  readonly label: string;
  /** What the label means, for the pointer. */
  readonly meaning?: string;
  readonly gist: string;
  readonly tone?: "plain" | "warn" | "bad";
  readonly isOpen: boolean;
  readonly end?: ReactNode;
  readonly children: ReactNode;
  onToggle(): void;
}

/** One line that opens to show more; folded content is not rendered. */
export function FoldRow({
  label,
  meaning,
  gist,
  tone = "plain",
  isOpen,
  end,
  children,
  onToggle,
}: FoldRowProps) {
  return (
    <div className={`fold-row tone-${tone} ${isOpen ? "is-open" : ""}`}>
      <button type="button" className="fold-line" aria-expanded={isOpen} onClick={onToggle}>
        <Icon name="chevron" className="fold-mark" />
        <bdi className="fold-label" title={meaning}>
          {label}
        </bdi>
        <bdi className="fold-gist">{gist}</bdi>
        {end}
      </button>
      {isOpen && <div className="fold-content">{children}</div>}
    </div>
  );
}

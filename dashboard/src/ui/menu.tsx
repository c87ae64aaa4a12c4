import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Icon, type IconName } from "./icons";

interface MenuProps {
  readonly label: string;
  /** Shown instead of the label. */
  readonly icon?: IconName;
  readonly children: ReactNode;
}

/** A button that opens a menu. The arrow keys move in it, and Escape, Tab and a click elsewhere close it. */
export function Menu({ label, icon, children }: MenuProps) {
  const [isOpen, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!isOpen) return;
    itemsIn(frame.current)[0]?.focus();
    const close = (event: PointerEvent) => {
      if (!(event.target instanceof Node && frame.current?.contains(event.target))) setOpen(false);
    };
    document.addEventListener("pointerdown", close);
    return () => document.removeEventListener("pointerdown", close);
  }, [isOpen]);

  function move(event: KeyboardEvent): void {
    const items = itemsIn(frame.current);
    const at = items.indexOf(document.activeElement as HTMLElement);
    const places: Readonly<Record<string, number>> = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    };
    const place = places[event.key];
    if (event.key === "Escape") button.current?.focus();
    else if (place !== undefined) items[place]?.focus();
    if (event.key === "Escape" || event.key === "Tab") setOpen(false);
    if (event.key !== "Tab" && (place !== undefined || event.key === "Escape")) event.preventDefault();
  }

  return (
    <div className="menu-frame" ref={frame}>
      <button
        ref={button}
        type="button"
        className={icon ? "icon-button" : "button"}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        aria-label={icon ? label : undefined}
        title={icon ? label : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {icon ? <Icon name={icon} /> : <span>{label}</span>}
        {!icon && <Icon name="chevron" className="menu-mark" />}
      </button>
      {isOpen && (
        <div
          id={id}
          className="menu"
          role="menu"
          tabIndex={-1}
          aria-label={label}
          onKeyDown={move}
          onClick={() => {
            setOpen(false);
            button.current?.focus();
          }}
        >
          {children}
        </div>
      )}
    </div>
  );
}

function itemsIn(frame: HTMLElement | null): readonly HTMLElement[] {
  return [...(frame?.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)") ?? [])];
}

interface MenuItemProps {
  readonly label: string;
  /** A second line, for example the command that is copied. */
  readonly hint?: string;
  readonly isDangerous?: boolean;
  onChoose(): void;
}

export function MenuItem({ label, hint, isDangerous = false, onChoose }: MenuItemProps) {
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      className={isDangerous ? "menu-item danger" : "menu-item"}
      onClick={onChoose}
    >
      <span>{label}</span>
      {hint && <code>{hint}</code>}
    </button>
  );
}

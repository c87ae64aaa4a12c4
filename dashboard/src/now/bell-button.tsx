import { canRing, setBell, useBell } from "../hooks/bell";
import { Icon } from "../ui/icons";
import { useToasts } from "../ui/toasts";

/** One bell for all sessions. */
export function BellButton() {
  const isOn = useBell();
  const { show } = useToasts();
  if (!canRing()) return null;
  return (
    <button
      type="button"
      className={`button ${isOn ? "is-on" : ""}`}
      aria-pressed={isOn}
      title="A notice of the browser when a session needs you or is done, while this page is in the background"
      onClick={async () => {
        const isRinging = await setBell(!isOn);
        if (!isOn && !isRinging) show({ text: "This browser does not allow notices of this page." });
      }}
    >
      <Icon name="bell" />
      <span className="bell-words">Tell me when something needs me</span>
    </button>
  );
}

import { useMutation } from "@tanstack/react-query";
import { explain } from "../../api/errors";
import { exportSession } from "../../api/routes";
import { oneLine } from "../../text/visible";
import { Dialog } from "../../ui/dialog";
import type { ExportFormat, Session } from "../../wire";

const FORMATS: readonly (readonly [format: ExportFormat, label: string])[] = [
  ["markdown", "Markdown"],
  ["html", "HTML"],
];

/** Delay before the memory of a download is freed: the browser has then begun to read it. */
const KEPT_MS = 60_000;

/** The choice of a format, in which the session is then saved. */
export function ExportSession({ session, onClose }: { session: Session; onClose(): void }) {
  const load = useMutation({
    mutationFn: (format: ExportFormat) => exportSession(session.session_id, format),
    onSuccess(file) {
      download(file);
      onClose();
    },
  });
  return (
    <Dialog
      title={`Export “${oneLine(session.session_name)}”`}
      onClose={onClose}
      actions={FORMATS.map(([format, label]) => (
        <button
          key={format}
          type="button"
          className="button"
          disabled={load.isPending}
          onClick={() => load.mutate(format)}
        >
          {label}
        </button>
      ))}
    >
      <p>
        The file has the prompts, answers and tool calls of the session, without the thinking. Recognised
        credentials are masked. Read the file before you share it.
      </p>
      {load.error && (
        <p className="problem" role="alert">
          {explain(load.error)}
        </p>
      )}
    </Dialog>
  );
}

function download(file: File): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

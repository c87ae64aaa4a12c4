import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "../api/errors";
import { exportSession } from "../api/routes";
import { oneLine } from "../text/visible";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import type { ExportFormat, Session } from "../wire";

const FORMATS: readonly (readonly [format: ExportFormat, label: string])[] = [
  ["markdown", "Markdown"],
  ["html", "HTML"],
];

/** Delay before the memory of a download is freed: the browser has then begun to read it. */
const KEPT_MS = 60_000;

export function ExportSession({ session }: { session: Session }) {
  const [isAsking, setAsking] = useState(false);
  const load = useMutation({
    mutationFn: (format: ExportFormat) => exportSession(session.session_id, format),
    onSuccess(file) {
      download(file);
      setAsking(false);
    },
  });
  return (
    <>
      <button
        type="button"
        className="button quiet"
        onClick={() => {
          load.reset();
          setAsking(true);
        }}
      >
        <Icon name="down" />
        <span>Export…</span>
      </button>
      {isAsking && (
        <Dialog
          title={`Export “${oneLine(session.session_name)}”`}
          onClose={() => setAsking(false)}
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
      )}
    </>
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

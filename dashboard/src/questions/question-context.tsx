import { lazy } from "react";
import type { Question } from "../question";
import { JsonTree } from "../session-page/content/json-tree";
import { inputOf } from "../text/content/calls";
import { visible } from "../text/visible";
import { Late } from "../ui/late";
import { Line, PlainText } from "../ui/text";

const EditDiff = lazy(() =>
  import("../session-page/content/edit-diff").then((module) => ({ default: module.EditDiff })),
);

/** Everything that a person needs to decide: the reason, the whole input, the diff and the directory. */
export function QuestionContext({ question }: { question: Question }) {
  const { toolName, toolInput, diff, why, cwd } = question;
  const input = inputOf(toolName ?? "", toolInput);
  return (
    <div className="question-context">
      {why && <PlainText text={why} className="question-why" />}
      {(toolName || cwd) && (
        <p className="quiet-text">
          {toolName && <Line text={toolName} />}
          {cwd && (
            <>
              {" in "}
              <bdi className="mono">{visible(cwd)}</bdi>
            </>
          )}
        </p>
      )}
      {input.kind === "command" && (
        <>
          <PlainText text={`$ ${input.command}`} className="shell-command" />
          {Object.keys(input.rest).length > 0 && <JsonTree value={input.rest} />}
        </>
      )}
      {input.kind === "edits" && diff === null && (
        <Late fallback={<div className="placeholder" />}>
          {input.path && <p className="file-path">{visible(input.path)}</p>}
          {input.edits.map((edit, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the edits of one call never change their places
            <EditDiff key={place} before={edit.before} after={edit.after} />
          ))}
        </Late>
      )}
      {(input.kind === "other" || input.kind === "file" || (input.kind === "edits" && diff !== null)) &&
        Object.keys(toolInput).length > 0 && <JsonTree value={toolInput} />}
      {diff !== null && <PlainText text={diff} className="question-diff" />}
    </div>
  );
}

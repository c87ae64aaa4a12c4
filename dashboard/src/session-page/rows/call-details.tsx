import { lazy, useMemo } from "react";
import { type Call, errorOf } from "../../state/timeline/rows";
import { wordsOf } from "../../text/content/blocks";
import { type CallInput, type CallOutput, inputOf, outputOf } from "../../text/content/calls";
import { visible } from "../../text/visible";
import { CopyButton } from "../../ui/copy-button";
import { Late } from "../../ui/late";
import { PlainText } from "../../ui/text";
import { Blocks } from "../content/blocks";
import { JsonTree } from "../content/json-tree";

const EditDiff = lazy(() => import("../content/edit-diff").then((module) => ({ default: module.EditDiff })));
const FileText = lazy(() => import("../content/file-text"));
const Terminal = lazy(() => import("../content/terminal").then((module) => ({ default: module.Terminal })));

export function CallDetails({ call }: { call: Call }) {
  const input = call.begun ? inputOf(call.toolName, call.begun.tool_input) : null;
  const output = useMemo(() => outputOf(call.ended?.tool_output), [call.ended]);
  const error = errorOf(call);
  // The output of an edit that ended well repeats that it did.
  const isEdit = input?.kind === "edits" || input?.kind === "file";
  return (
    <Late fallback={<div className="placeholder" />}>
      {input && <Input input={input} />}
      {error !== null && <PlainText text={error} className="error-text" />}
      {!(isEdit && call.outcome === "ok") && (
        <Output output={output} isTerminal={input?.kind === "command"} repeats={error} />
      )}
    </Late>
  );
}

function Input({ input }: { input: CallInput }) {
  switch (input.kind) {
    case "edits":
      return (
        <>
          <Path path={input.path} />
          {input.edits.map((edit, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the edits of one call never change their places
            <EditDiff key={place} before={edit.before} after={edit.after} />
          ))}
        </>
      );
    case "file":
      return (
        <>
          <Path path={input.path} />
          <FileText path={input.path} text={input.text} />
        </>
      );
    case "command":
      return (
        <>
          <PlainText text={`$ ${input.command}`} className="shell-command" />
          {Object.keys(input.rest).length > 0 && <JsonTree value={input.rest} />}
        </>
      );
    case "other":
      return <JsonTree value={input.input} />;
  }
}

interface OutputProps {
  readonly output: CallOutput;
  readonly isTerminal: boolean;
  /** The error shown above; an equal output is not repeated. */
  readonly repeats: string | null;
}

function Output({ output, isTerminal, repeats }: OutputProps) {
  switch (output.kind) {
    case "none":
      return null;
    case "json":
      return (
        <Labelled text={JSON.stringify(output.value, null, 2)}>
          <JsonTree value={output.value} />
        </Labelled>
      );
    case "blocks":
      return (
        <Labelled text={wordsOf(output.blocks)}>
          <Blocks blocks={output.blocks} renderText={(text) => <PlainText text={text} />} />
        </Labelled>
      );
    case "text":
      if (output.text === repeats) return null;
      return (
        <Labelled text={output.text}>
          {isTerminal ? <Terminal text={output.text} /> : <PlainText text={output.text} />}
        </Labelled>
      );
  }
}

function Labelled({ text, children }: { text: string; children: React.ReactNode }) {
  return (
    <div className="output">
      <div className="output-head">
        <span>Output</span>
        <CopyButton label="Copy the output" text={text} isCompact />
      </div>
      {children}
    </div>
  );
}

function Path({ path }: { path: string }) {
  return (
    <div className="file-path">
      <bdi>{visible(path)}</bdi>
    </div>
  );
}

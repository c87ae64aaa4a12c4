import type { SessionEvent } from "../../wire";
import { blocksOf, wordsOf } from "./blocks";
import { inputOf, outputOf } from "./calls";

/** Return the text of an event to copy: without images, and with the values of a call's input or its output. */
export function eventText(event: SessionEvent): string {
  switch (event.kind) {
    case "pre_tool": {
      const input = inputOf(event.tool_name, event.tool_input);
      return input.kind === "command" ? input.command : JSON.stringify(event.tool_input, null, 2);
    }
    case "post_tool": {
      const output = outputOf(event.tool_output);
      if (output.kind === "text") return output.text;
      if (output.kind === "blocks") return wordsOf(output.blocks);
      return output.kind === "json" ? JSON.stringify(output.value, null, 2) : (event.error ?? "");
    }
    default: {
      const blocks = blocksOf(event.wire.content);
      const text = blocks ? wordsOf(blocks) : "text" in event ? event.text : "";
      return text || (event.error ?? JSON.stringify(event.wire, null, 2));
    }
  }
}

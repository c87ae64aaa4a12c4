import { visible } from "../../text/visible";
import { Code } from "./code";
import { languageOf } from "./highlight";

/** The text of a file that a call wrote. */
export default function FileText({ path, text }: { path: string; text: string }) {
  return <Code text={visible(text)} language={languageOf(path)} />;
}

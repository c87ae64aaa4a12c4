import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { isValidElement, memo, type ReactNode } from "react";
import ReactMarkdown, { type Components, type Options } from "react-markdown";
import { safeLink } from "../../text/content/links";
import { visible } from "../../text/visible";
import { Code } from "./code";

/** Renders Markdown as React elements; HTML stays text, and an image becomes a link to it. */
const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown" dir="auto">
      <ReactMarkdown
        remarkPlugins={PLUGINS}
        components={COMPONENTS}
        urlTransform={(address) => safeLink(address) ?? ""}
      >
        {visible(text)}
      </ReactMarkdown>
    </div>
  );
});

export default Markdown;

type Plugin = Extract<NonNullable<Options["remarkPlugins"]>[number], (...settings: never[]) => unknown>;

/** Read GitHub's Markdown: tables, task lists and links. `remark-gfm` has all that writes it, too. */
const readGfm: Plugin = function () {
  this.data({ micromarkExtensions: [gfm()], fromMarkdownExtensions: gfmFromMarkdown() } as object);
};

const PLUGINS = [readGfm];

const COMPONENTS: Components = {
  a: ({ href, children }) => <OutsideLink href={href}>{children}</OutsideLink>,
  img: ({ src, alt }) => (
    <OutsideLink href={typeof src === "string" ? src : undefined}>{alt || "image"}</OutsideLink>
  ),
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  input: ({ checked }) => (
    <input
      type="checkbox"
      disabled
      checked={checked === true}
      readOnly
      aria-label={checked ? "Done" : "Not done"}
    />
  ),
  table: ({ children }) => (
    <div className="wide">
      <table>{children}</table>
    </div>
  ),
};

function OutsideLink({ href, children }: { href: string | undefined; children: ReactNode }) {
  if (!href) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer" title={href}>
      {children}
    </a>
  );
}

function CodeBlock({ children }: { children: ReactNode }) {
  if (!isValidElement<{ className?: string; children?: ReactNode }>(children)) return <pre>{children}</pre>;
  const language = /language-([\w+#.-]+)/.exec(children.props.className ?? "")?.[1];
  return <Code text={String(children.props.children ?? "").replace(/\n$/, "")} language={language ?? null} />;
}

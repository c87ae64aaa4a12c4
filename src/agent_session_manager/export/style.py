"""The style sheet of an HTML export: for light and dark screens, narrow ones, and print."""

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fff;
  --ink: #1c1e21;
  --quiet: #5c636b;
  --line: #d5d9de;
  --shade: #f4f5f7;
  --prompt: #e8f0fb;
  --failed: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b;
    --ink: #e4e6e9;
    --quiet: #a0a7af;
    --line: #383d43;
    --shade: #202327;
    --prompt: #1d2a3b;
    --failed: #ff8a80;
  }
}
* {
  box-sizing: border-box;
}
body {
  margin: 0;
  background: var(--paper);
  color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif;
}
main {
  max-width: 54rem;
  margin: 0 auto;
  padding: 1rem;
}
h1,
h2,
h3,
dd,
summary,
.text,
.border {
  overflow-wrap: anywhere;
}
h1 {
  font-size: 1.5rem;
}
h2,
h3 {
  margin: 0 0 0.5rem;
  font-size: 1rem;
}
dl {
  display: grid;
  grid-template-columns: max-content 1fr;
  gap: 0.2rem 1rem;
  font-size: 0.9rem;
}
dt,
small,
.label,
.note {
  color: var(--quiet);
}
dd {
  margin: 0;
}
small {
  margin-left: 0.5rem;
  font-weight: normal;
}
small a {
  color: inherit;
}
section,
.fold,
.copy {
  margin: 0.75rem 0;
  padding: 0.6rem 0.8rem;
  border: 1px solid var(--line);
  border-radius: 6px;
}
.prompt {
  background: var(--prompt);
}
.text,
pre {
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.text + .text {
  margin-top: 0.5rem;
}
pre {
  max-height: 40rem;
  margin: 0.3rem 0;
  padding: 0.6rem;
  overflow: auto;
  background: var(--shade);
  border-radius: 4px;
  font: 0.85rem/1.4 ui-monospace, monospace;
}
.label {
  margin-top: 0.5rem;
  font-size: 0.8rem;
}
.failed > summary,
.failed > span {
  color: var(--failed);
}
.border {
  margin: 1.5rem 0 1rem;
  padding-top: 0.4rem;
  border-top: 2px solid var(--line);
}
.border > span {
  font-weight: 600;
}
img {
  max-width: 100%;
  height: auto;
}
:target {
  outline: 2px solid currentColor;
  outline-offset: 2px;
}
@media (max-width: 40rem) {
  main {
    padding: 0.5rem;
  }
  dl {
    grid-template-columns: 1fr;
    gap: 0;
  }
  dd {
    margin-bottom: 0.4rem;
  }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #fff;
    --ink: #000;
    --quiet: #444;
    --line: #aaa;
    --shade: #f4f5f7;
    --prompt: #fff;
    --failed: #900;
  }
  main {
    max-width: none;
    padding: 0;
  }
  pre {
    max-height: none;
    overflow: visible;
  }
  details::details-content {
    display: block;
    content-visibility: visible;
  }
  h2,
  h3,
  summary,
  .border {
    break-after: avoid;
  }
}
"""

import { useEffect, useState } from "react";

/** Return the current colours of CSS variables, for a canvas; they change with the theme. */
export function useColors(variables: readonly string[]): readonly string[] {
  const [colors, setColors] = useState(() => read(variables));
  useEffect(() => {
    const renew = () => setColors(read(variables));
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const theme = new MutationObserver(renew);
    system.addEventListener("change", renew);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      system.removeEventListener("change", renew);
      theme.disconnect();
    };
  }, [variables]);
  return colors;
}

/** Resolve variables to colours: the value of a variable is only its source text. */
function read(variables: readonly string[]): readonly string[] {
  const probe = document.createElement("span");
  document.body.append(probe);
  const colors = variables.map((variable) => {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return colors;
}

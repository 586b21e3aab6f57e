/** Which theme applies, and the colours that the canvases need as values. */
import type { Theme } from "../render/colors";
import type { Cleanup } from "./dom";

export type ThemeChoice = "auto" | Theme;

export interface Tokens {
  readonly background: string;
  readonly text: string;
  readonly muted: string;
  readonly border: string;
  readonly accent: string;
  readonly fontFamily: string;
}

const HOST_ATTRIBUTES = ["data-jp-theme-light", "class", "theme", "data-theme"];

/** The host's own theme: JupyterLab and Notebook, VS Code, Colab; else what the system prefers. */
function hostTheme(): Theme {
  const { body, documentElement } = document;
  const lab = body.dataset["jpThemeLight"];
  if (lab) return lab === "true" ? "light" : "dark";
  if (body.classList.contains("vscode-dark") || body.classList.contains("vscode-high-contrast")) return "dark";
  if (body.classList.contains("vscode-light")) return "light";
  const colab = documentElement.getAttribute("theme");
  if (colab === "dark" || colab === "light") return colab;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Sets the theme on the root. The host's variables count only where its theme is the one shown. */
export function applyTheme(root: HTMLElement, choice: ThemeChoice): Theme {
  const host = hostTheme();
  const theme = choice === "auto" ? host : choice;
  root.dataset["theme"] = theme;
  root.dataset["host"] = String(theme === host);
  return theme;
}

export function readTokens(root: HTMLElement): Tokens {
  const style = getComputedStyle(root);
  const token = (name: string): string => style.getPropertyValue(`--nbspy-${name}`).trim();
  return {
    background: token("bg"), text: token("text"), muted: token("muted"), border: token("border"), accent: token("accent"),
    fontFamily: style.fontFamily,
  };
}

/** Calls `changed` when the host or the system changes its theme. */
export function watchTheme(cleanup: Cleanup, changed: () => void): void {
  const observer = new MutationObserver(changed);
  for (const target of [document.body, document.documentElement]) {
    observer.observe(target, { attributes: true, attributeFilter: HOST_ATTRIBUTES });
  }
  cleanup.add(() => observer.disconnect());
  cleanup.listen(matchMedia("(prefers-color-scheme: dark)"), "change", changed);
}

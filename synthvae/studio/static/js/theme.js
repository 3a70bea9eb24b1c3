/** Light or dark theme: the system's until another is chosen on the page. */
import { refreshPalette } from "./palette.js";

const KEY = "synthvae.theme";

/** @param {HTMLElement} button @param {(said: string) => void} say */
export function followTheme(button, say) {
  const light = window.matchMedia("(prefers-color-scheme: light)");
  /** @type {string | null} */
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // storage is forbidden here: the choice lives as long as the page
  }
  const apply = () => {
    document.documentElement.dataset.theme = chosen ?? (light.matches ? "light" : "dark");
    refreshPalette();
  };
  light.addEventListener("change", apply);
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "light" ? "dark" : "light";
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // as above
    }
    apply();
    say(`Theme: ${chosen}`);
  });
  apply();
}

// Before the first paint: the saved choice, else the system's. A file of its own, since the page allows no inline script.
(() => {
  let saved = null;
  try {
    saved = localStorage.getItem("delta.theme");
  } catch {
    // Storage may be off: the system's choice counts.
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = saved === "dark" || saved === "light" ? saved : dark ? "dark" : "light";
})();

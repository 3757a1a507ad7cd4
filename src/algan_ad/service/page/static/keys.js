// One key for each button that names one, unless somebody writes, holds another key, or has switched the keys off.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || document.body.dataset.keys === "off") return;
  if (event.target.closest("input:not([type=range]), select, textarea")) return;
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button && !document.querySelector("button.htmx-request")) {
    event.preventDefault();
    button.click();
  }
});

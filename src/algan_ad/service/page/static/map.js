// How strongly maps show over their pictures: the same for all, remembered by this browser.
"use strict";
(() => {
  const KEY = "algan-map";
  let value = localStorage.getItem(KEY) ?? "60";
  const show = () => {
    document.documentElement.style.setProperty("--map", value / 100);
    for (const each of document.querySelectorAll("input[data-map]")) each.value = value;
  };
  document.addEventListener("input", (event) => {
    if (!event.target.matches("input[data-map]")) return;
    value = event.target.value;
    localStorage.setItem(KEY, value);
    show();
  });
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSwap", show);
})();

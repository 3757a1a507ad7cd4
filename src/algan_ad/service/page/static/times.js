// Times in the zone of this machine; the record holds UTC.
"use strict";
(() => {
  const styles = {
    full: { dateStyle: "short", timeStyle: "medium" },
    short: { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" },
    clock: { timeStyle: "medium" },
  };
  const show = (root) => {
    for (const each of root.querySelectorAll("time[data-style]")) {
      each.textContent = new Intl.DateTimeFormat(document.documentElement.lang, styles[each.dataset.style]).format(new Date(each.dateTime));
    }
  };
  document.addEventListener("DOMContentLoaded", () => show(document));
  document.addEventListener("htmx:afterSwap", () => show(document));
})();

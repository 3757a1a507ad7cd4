// A station that does not answer must not look as if its last verdict were that of the part in front of the camera.
"use strict";
(() => {
  const lost = (is) => {
    document.body.classList.toggle("lost", is);
    document.getElementById("lost").hidden = !is;
  };
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => lost(true));
  document.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr?.status ?? 0;
    if (event.detail.elt.matches("[data-live]")) lost(status === 0 || status >= 400);
  });
})();

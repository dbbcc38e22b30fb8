// Sends a form once, however often one clicks. The server tells repetitions by itself: this spares the wait.
"use strict";

document.querySelectorAll("form[data-once]").forEach((form) => {
  let isSent = false;
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
  // Back in the history the page is as it was left.
  window.addEventListener("pageshow", () => { isSent = false; });
});

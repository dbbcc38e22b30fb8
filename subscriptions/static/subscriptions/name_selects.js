"use strict";

// Select2 makes a field of its own beside the one that has the label, and gives it no name for those who cannot see it.
// Django's autocomplete.js makes them when jQuery is ready: this was registered later, so it comes after that.
django.jQuery(() => {
  for (const field of document.querySelectorAll("[id^='select2-'][role='textbox']")) {
    const label = document.querySelector(`label[for='${field.id.slice("select2-".length, -"-container".length)}']`);
    if (label) field.setAttribute("aria-label", label.textContent.trim());
  }
});

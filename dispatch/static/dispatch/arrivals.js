// Follows the deliveries of an event until all are over: quickly at first, then slowly, as retries take hours.
"use strict";

(() => {
  const QUICK_MS = 700;
  const SLOW_MS = 10000;
  const QUICK_FOR_MS = 30000;
  const root = document.getElementById("wd-arrivals");
  if (!root) return;
  const begun = Date.now();
  const isOver = () => root.querySelector("[data-is-over]").dataset.isOver === "true";
  const look = async () => {
    if (!document.hidden) {
      try {
        const response = await fetch(root.dataset.address, { redirect: "error" });
        if (!response.ok) throw new Error(String(response.status));
        const text = await response.text();
        // What has the focus is not taken away for nothing.
        if (text.trim() !== latest) {
          root.innerHTML = latest = text.trim();
          document.getElementById("wd-arrived").textContent = root.querySelector("p").textContent;
        }
      } catch {
        // Is asked again.
      }
    }
    again();
  };
  const again = () => {
    if (!isOver()) setTimeout(look, Date.now() - begun < QUICK_FOR_MS ? QUICK_MS : SLOW_MS);
  };
  let latest = root.innerHTML.trim();
  again();
})();

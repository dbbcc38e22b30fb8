// Follows a job until it is over.
"use strict";

(() => {
  const root = document.getElementById("wd-job");
  if (!root) return;
  const part = (name) => root.querySelector(`[data-job=${name}]`);
  const look = async () => {
    try {
      const response = await fetch(root.dataset.address, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const job = await response.json();
      // More may have come than was counted at the beginning, or less.
      const total = Math.max(job.total, job.passed, 1);
      const done = job.status === "done" ? total : job.passed;
      root.querySelector("progress").max = total;
      root.querySelector("progress").value = done;
      part("status").textContent = job.status[0].toUpperCase() + job.status.slice(1);
      part("status").className = `wd-status wd-status-${job.status}`;
      part("text").textContent = `${Math.floor((100 * done) / total)} %: ${job.passed} of ${job.total} looked at, ${job.changed} changed${job.failed ? `, ${job.failed} failed` : ""}.`;
      if (job.is_over) {
        root.querySelector("form")?.remove();
        // What could not be done stands on the page, not in this answer.
        if (job.failed && root.dataset.status === "running") location.reload();
        return;
      }
    } catch (error) {
      part("text").textContent = `Not up to date: ${error.message}.`;
    }
    setTimeout(look, 500);
  };
  look();
})();

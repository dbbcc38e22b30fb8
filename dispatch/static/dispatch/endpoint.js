// Draws the chart of an endpoint's page.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("wd-chart-data").textContent);
  const draw = (drawn) => drawOutcomes(document.getElementById("wd-chart"), drawn, data.labels, data.outcomes);
  const chart = draw(null);
  new MutationObserver(() => draw(chart)).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();

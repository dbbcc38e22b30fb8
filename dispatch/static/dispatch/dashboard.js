// Draws the dashboard, and asks for its data again every ten seconds while somebody looks.
"use strict";

(() => {
  const REFRESH_MS = 10000;
  const root = document.getElementById("dashboard");
  const byId = (id) => document.getElementById(id);
  let span = "1h";
  let latest = null;
  let chart = null;
  let asked = 0;

  const number = new Intl.NumberFormat("en");
  const percent = (part) => {
    // A rate that is not whole never reads as 100 %.
    const shown = Math.floor(part * 10000) / 100;
    return `${shown.toFixed(shown === 100 ? 0 : 2)} %`;
  };
  const milliseconds = (value) => (value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);
  const duration = (seconds) => {
    if (seconds < 120) return `${Math.round(seconds)} s`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
    return `${Math.round(seconds / 86400)} days`;
  };
  const two = (value) => String(value).padStart(2, "0");
  const label = (iso, bar) => {
    const time = new Date(iso);
    const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;
    const day = `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}`;
    if (bar === "minute") return clock;
    if (bar === "day") return day.slice(5);
    return span === "24h" ? clock : `${day.slice(5)} ${clock}`;
  };

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(text);
    return made;
  };
  const link = (text, href) => element("a", text, { href });
  const table = (id, headers, rows, empty) => {
    const head = document.createElement("tr");
    for (const header of headers) head.append(element("th", header, { scope: "col" }));
    const body = rows.map((cells) => {
      const row = document.createElement("tr");
      for (const cell of cells) row.append(cell instanceof HTMLTableCellElement ? cell : element("td", cell));
      return row;
    });
    if (!rows.length) {
      const row = document.createElement("tr");
      row.append(element("td", empty, { colspan: headers.length }));
      body.push(row);
    }
    const thead = document.createElement("thead");
    thead.append(head);
    const tbody = document.createElement("tbody");
    tbody.append(...body);
    byId(id).replaceChildren(thead, tbody);
  };
  const figure = (name, text) => {
    root.querySelector(`[data-figure=${name}]`).textContent = text;
  };
  const numeric = (text) => element("td", text, { class: "wd-number" });

  const draw = () => {
    const titles = { minute: "Attempts per minute", hour: "Attempts per hour", day: "Attempts per day" };
    byId("wd-chart-title").textContent = `${titles[latest.bar]}, by outcome`;
    const labels = latest.starts.map((start) => label(start, latest.bar));
    chart = drawOutcomes(byId("wd-chart"), chart, labels, latest.outcomes);
    table("wd-numbers", ["UTC", ...latest.outcomes.map((outcome) => outcome.label)],
      labels.map((text, at) => [text, ...latest.outcomes.map((outcome) => numeric(number.format(outcome.attempts[at])))]),
      "Nothing was attempted.");
  };

  const show = () => {
    figure("attempts", number.format(latest.attempts));
    figure("success_rate", latest.success_rate === null ? "–" : percent(latest.success_rate));
    for (const name of ["p50", "p95"]) figure(name, latest[name] === null ? "–" : milliseconds(latest[name]));
    const waiting = latest.waiting;
    figure("total", waiting.total === null ? "–" : number.format(waiting.total));
    figure("oldest_due_seconds", waiting.oldest_due_seconds === null ? "–" : duration(waiting.oldest_due_seconds));
    table("wd-failing", ["Endpoint", "Subscriber", "State", "Failed"],
      latest.failing.map((each) => {
        const failed = numeric("");
        failed.append(link(`${number.format(each.failed)} of ${number.format(each.attempts)}`, each.list));
        return [link(each.name, each.address), each.subscriber, each.state, failed];
      }), "No attempt failed.");
    table("wd-waiting", ["Reason", "Deliveries"],
      waiting.reasons.map((each) => [each.label, numeric(number.format(each.deliveries))]), "Nothing waits.");
    table("wd-disabled", ["Endpoint", "Why", "Since (UTC)"],
      latest.disabled.map((each) => [link(each.name, each.address), each.reason, each.at ? each.at.slice(0, 16).replace("T", " ") : "–"]),
      "None.");
    table("wd-signs", ["Part", "State", ""],
      latest.signs.map((sign) => [sign.part, element("td", sign.is_well ? "✓ well" : "✗ trouble", { class: sign.is_well ? "wd-good" : "wd-bad" }), sign.text]),
      "");
    draw();
    byId("wd-updated").textContent = `Updated ${latest.at.slice(11, 19)} UTC`;
    root.dataset.shows = latest.span;
  };

  const refresh = async () => {
    const mine = ++asked;
    try {
      const response = await fetch(`${root.dataset.address}?span=${span}`, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const answer = await response.json();
      if (mine !== asked) return;
      latest = answer;
      show();
    } catch (error) {
      if (mine === asked) byId("wd-updated").textContent = `Not up to date: ${error.message}. Reload the page if this stays.`;
    }
  };

  root.querySelectorAll("[data-span]").forEach((button) => button.addEventListener("click", () => {
    span = button.dataset.span;
    root.querySelectorAll("[data-span]").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
    refresh();
  }));
  new MutationObserver(() => latest && draw()).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(() => document.hidden || refresh(), REFRESH_MS);
  refresh();
})();

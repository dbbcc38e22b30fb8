// Draws attempts by outcome as stacked bars, in the colours of the theme.
"use strict";

const drawOutcomes = (() => {
  const GOOD = { light: "#15803d", dark: "#22c55e" };
  const COLOURS = {
    http_error: { light: "#dc2626", dark: "#f87171" },
    timeout: { light: "#d97706", dark: "#fbbf24" },
    connection_error: { light: "#7c3aed", dark: "#a78bfa" },
    dns_error: { light: "#0e7490", dark: "#22d3ee" },
    tls_error: { light: "#be185d", dark: "#f472b6" },
    endpoint_gone: { light: "#475569", dark: "#94a3b8" },
    redirect: { light: "#1d4ed8", dark: "#60a5fa" },
    worker_lost: { light: "#854d0e", dark: "#ca8a04" },
  };
  const OTHER = { light: "#78716c", dark: "#a8a29e" };

  return (canvas, drawn, labels, outcomes) => {
    const dark = document.documentElement.classList.contains("dark");
    const theme = dark ? "dark" : "light";
    const grid = dark ? "#374151" : "#e5e7eb";
    const ink = dark ? "#d1d5db" : "#374151";
    const chart = drawn || new Chart(canvas, { type: "bar", data: { labels: [], datasets: [] }, options: {} });
    chart.data.labels = labels;
    chart.data.datasets = outcomes.map((outcome) => ({
      label: outcome.label,
      data: outcome.attempts,
      backgroundColor: outcome.name === "success" ? GOOD[theme] : (COLOURS[outcome.name] || OTHER)[theme],
    }));
    chart.options = {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: true, position: "bottom", labels: { color: ink, boxWidth: 12 } },
        tooltip: { filter: (item) => item.parsed.y > 0 },
      },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 16 },
             title: { display: true, text: "UTC", color: ink } },
        y: { stacked: true, beginAtZero: true, grid: { color: grid }, ticks: { color: ink, precision: 0 },
             title: { display: true, text: "Attempts", color: ink } },
      },
    };
    chart.update("none");
    return chart;
  };
})();

// Fills the dashboard with figures and reads them again every few seconds; text goes in as text, never as markup.

const REFRESH_MS = 5_000;
const page = document.getElementById("dashboard");
const charts = new Map();
let timer = 0;
let reading = 0;

const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
const milliseconds = (value) => (value === null ? "–" : `${number(value)} ms`);
const percent = (value) => `${number(value * 100, 1)} %`;
const dollars = (value) => `$${number(value, value >= 100 ? 0 : value >= 1 ? 2 : 4)}`;

function show(name, text, small = "") {
  const place = page.querySelector(`[data-figure="${name}"]`);
  const note = document.createElement("small");
  note.textContent = small;
  place.replaceChildren(text, note);
}

function cell(content, isFigure = false) {
  const made = document.createElement("td");
  if (isFigure) made.className = "figure";
  made.append(content);
  return made;
}

function fill(id, rows, columns) {
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  });
  if (!lines.length) {
    const line = document.createElement("tr");
    const empty = cell("Nothing in this span.");
    empty.colSpan = columns;
    empty.className = "nova-soft";
    line.append(empty);
    lines.push(line);
  }
  document.getElementById(id).replaceChildren(...lines);
}

function showTotals({ now, totals }) {
  show("live", String(now.live), `${now.running} started in all`);
  show("turns_per_minute", number(now.turns_per_minute, 1), "over five minutes");
  show("turns", number(totals.turns), `${number(totals.sessions_started)} sessions started, ${number(totals.sessions_ended)} ended`);
  const capped = totals.delays_are_capped ? `of the newest ${number(totals.delay_count)}` : `of ${number(totals.delay_count)} turns`;
  show("p50", milliseconds(totals.delay.p50), capped);
  show("p95", milliseconds(totals.delay.p95), `99 %: ${milliseconds(totals.delay.p99)}`);
  show("errors", percent(totals.error_rate), `${number(totals.errors)} turns`);
  show("interruptions", percent(totals.interruption_rate), `${number(totals.interruptions)} turns`);
  show("cost_today", dollars(totals.cost_today_usd), `${dollars(totals.cost_usd)} in the span's days`);
}

function showTables({ graphs, providers, slowest }) {
  fill("graphs", graphs.map((graph) => [
    cell(graph.graph_name || "(unknown)"), cell(number(graph.turns), true), cell(milliseconds(graph.delay.p50), true),
    cell(milliseconds(graph.delay.p95), true), cell(number(graph.errors), true), cell(number(graph.interruptions), true),
    cell(dollars(graph.cost_usd), true),
  ]), 7);
  fill("providers", providers.map((use) => [
    cell(use.service), cell(use.provider), cell(use.model), cell(use.purpose), cell(number(use.used), true), cell(dollars(use.usd), true),
  ]), 6);
  fill("slowest", slowest.map((turn) => {
    const link = document.createElement("a");
    link.href = `${page.dataset.turns}${encodeURIComponent(turn.pk)}/change/`;
    link.textContent = new Date(turn.ended_at).toLocaleString();
    return [cell(link), cell(turn.graph_name), cell(milliseconds(turn.first_audio_ms), true), cell(turn.error_code)];
  }), 4);
}

function showQuotas(quotas) {
  document.getElementById("quotas").replaceChildren(...quotas.map((quota) => {
    const share = quota.limit ? Math.min(1, quota.used / quota.limit) : 0;
    const line = document.createElement("div");
    const words = document.createElement("div");
    words.className = "nova-row apart";
    const name = document.createElement("span");
    name.textContent = quota.name;
    const used = document.createElement("span");
    used.textContent = `${quota.used} of ${quota.limit}`;
    words.append(name, used);
    const svg = "http://www.w3.org/2000/svg";
    const bar = document.createElementNS(svg, "svg");
    bar.setAttribute("class", "nova-bar");
    bar.setAttribute("viewBox", "0 0 100 4");
    bar.setAttribute("preserveAspectRatio", "none");
    for (const [kind, width] of [["ground", 100], [share > 0.85 ? "used tight" : "used", share * 100]]) {
      const part = document.createElementNS(svg, "rect");
      part.setAttribute("class", kind);
      part.setAttribute("width", String(width));
      part.setAttribute("height", "4");
      bar.append(part);
    }
    line.append(words, bar);
    return line;
  }));
}

function showAlerts(alerts) {
  document.getElementById("alerts").replaceChildren(...alerts.map((alert) => {
    const line = document.createElement("li");
    line.textContent = `${alert.text} (since ${new Date(alert.since).toLocaleTimeString()})`;
    return line;
  }));
}

const colours = () => {
  const isDark = document.documentElement.classList.contains("dark");
  return isDark
    ? { first: "#84b0ff", second: "#6fdca0", bad: "#ff9d95", grid: "#2a3542", ink: "#a0adbb" }
    : { first: "#2360c4", second: "#1a7f4b", bad: "#b3261e", grid: "#e3e8ee", ink: "#566273" };
};

function label(text, hours) {
  const at = new Date(text);
  return hours > 24
    ? at.toLocaleDateString([], { month: "short", day: "numeric" })
    : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function draw(id, labels, datasets, { bars = false, unit = "" } = {}) {
  const shade = colours();
  const config = {
    type: bars ? "bar" : "line",
    data: { labels, datasets },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: { legend: { position: "bottom", labels: { color: shade.ink, boxWidth: 12, boxHeight: 12 } } },
      scales: {
        x: { grid: { display: false }, ticks: { color: shade.ink, maxTicksLimit: 8, maxRotation: 0 } },
        y: { beginAtZero: true, grid: { color: shade.grid }, ticks: { color: shade.ink, precision: 0, callback: (value) => `${value}${unit}` } },
      },
    },
  };
  const known = charts.get(id);
  if (known) {
    known.data = config.data;
    known.options = config.options;
    known.update("none");
  } else {
    charts.set(id, new Chart(document.getElementById(id), config));
  }
}

function drawAll({ series, hours }) {
  const shade = colours();
  const labels = series.labels.map((text) => label(text, hours));
  const bar = (name, data, colour) => ({ label: name, data, backgroundColor: colour, barPercentage: 1, categoryPercentage: 0.85 });
  const line = (name, data, colour) => ({ label: name, data, borderColor: colour, backgroundColor: colour, spanGaps: true, pointRadius: 1.5, borderWidth: 2, tension: 0.2 });
  draw("chart-turns", labels, [bar("turns", series.turns, shade.first), bar("interruptions", series.interruptions, shade.second), bar("errors", series.errors, shade.bad)], { bars: true });
  draw("chart-delays", labels, [line("median", series.p50, shade.second), line("95 %", series.p95, shade.first)], { unit: " ms" });
  draw("chart-sessions", labels, [bar("started", series.started, shade.first), bar("ended", series.ended, shade.second)], { bars: true });
}

async function read() {
  clearTimeout(timer);
  const mine = ++reading;
  const status = document.getElementById("read-at");
  const wanted = new URLSearchParams({ hours: document.getElementById("hours").value, graph: document.getElementById("graph").value });
  try {
    const answer = await fetch(`${page.dataset.figures}?${wanted}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15_000) });
    if (answer.redirected || !answer.ok) throw new Error(answer.redirected ? "signed out: load the page again" : `the server answered ${answer.status}`);
    const figures = await answer.json();
    if (mine !== reading) return;
    showTotals(figures);
    showTables(figures);
    showQuotas(figures.quotas);
    showAlerts(figures.alerts);
    drawAll(figures);
    status.textContent = `as of ${new Date(figures.at).toLocaleTimeString()}`;
    page.dataset.state = "shown";
  } catch (error) {
    if (mine !== reading) return;
    status.textContent = `no figures: ${error.message}`;
    page.dataset.state = "failed";
  }
  timer = setTimeout(() => (document.hidden ? undefined : read()), REFRESH_MS);
}

for (const id of ["hours", "graph"]) document.getElementById(id).addEventListener("change", read);
document.addEventListener("visibilitychange", () => { if (!document.hidden) read(); });
read();

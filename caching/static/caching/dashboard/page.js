// Keeps the caches page up to date, and draws its charts.

import { Chart, Sparkline, bytes, milliseconds, percent, targetWords } from "./charts.js";
import { Live } from "./live.js";
import { offerOrganisations } from "./organisations.js";
import { Seen, kept } from "./series.js";

const STATES = {
  live: "Live",
  paused: "Paused",
  unreachable: "Not reachable, trying again",
  "signed-out": "Signed out: load the page again",
};

const start = JSON.parse(document.getElementById("caches-start").textContent);
const at = (id) => document.getElementById(id);
const seen = new Seen(start.least_reads);
let figures = start.figures;
let step = "minute";
let history = [];
const chooser = at("caches-region");

// --- figures in their places -----------------------------------------------------------------------------------------

const find = (path) => path.split("/").reduce((value, name) => value?.[name], figures);

function put(element, text) {
  if (text !== undefined && element.textContent !== text) element.textContent = text;
}

function rowOf(region) {
  return region ? figures.regions[region] : figures.total;
}

function entry(label, text) {
  const [group, term, value] = ["div", "dt", "dd"].map((name) => document.createElement(name));
  term.textContent = label;
  value.textContent = text;
  group.append(term, value);
  return group;
}

function showChosen() {
  const row = rowOf(chooser.value);
  for (const element of document.querySelectorAll("[data-of-region]")) put(element, row[element.dataset.ofRegion]);
  for (const element of document.querySelectorAll("[data-low-of-region]")) {
    element.classList.toggle("low", row[element.dataset.lowOfRegion]);
  }
  at("caches-more").replaceChildren(...row.more.map(([label, text]) => entry(label, text)));
}

function showList(table) {
  const rows = figures[table.dataset.list];
  const columns = table.dataset.columns.split(" ");
  const texts = rows.length ? rows.map((row) => columns.map((name) => row[name])) : [[table.dataset.nothing]];
  const body = table.tBodies[0];
  const shown = JSON.stringify(texts);
  if (body.dataset.shown === shown) return;
  body.dataset.shown = shown;
  body.replaceChildren();
  for (const row of texts) {
    const line = body.insertRow();
    for (const text of row) {
      const cell = line.insertCell();
      cell.textContent = text;
      cell.dataset.label = table.tHead.rows[0].cells[cell.cellIndex].textContent;
    }
    if (row.length < columns.length) line.cells[0].colSpan = columns.length;
  }
}

function show() {
  for (const element of document.querySelectorAll("[data-field]")) put(element, find(element.dataset.field));
  for (const element of document.querySelectorAll("[data-state-field]")) {
    element.dataset.state = find(element.dataset.stateField);
  }
  for (const cell of document.querySelectorAll("[data-low-field]")) {
    const low = Boolean(find(cell.dataset.lowField));
    cell.classList.toggle("low", low);
    const verdict = cell.querySelector(".caches-verdict");
    if (verdict) put(verdict, low ? "below" : "target");
  }
  for (const element of document.querySelectorAll("[data-shown-field]")) {
    element.hidden = !find(element.dataset.shownField);
  }
  document.querySelectorAll("[data-list]").forEach(showList);
  showChosen();
}

// --- over time -------------------------------------------------------------------------------------------------------

const declared = (region) => figures.report.regions.find((each) => each.name === region);
const span = () => start.spans[step];
const tierLines = [
  { key: "local", label: "Local", colour: "--tier-local" },
  { key: "redis", label: "Redis", colour: "--tier-redis" },
  { key: "database", label: "Database", colour: "--tier-database" },
];

const tiers = figures.report.redis ? tierLines : tierLines.filter(({ key }) => key !== "redis");

function chart(id, kind, lines, format, target) {
  return new Chart(at(id), { kind, lines, format, target, span });
}

/** Return the least and the most that the chosen regions declare, or null. */
function targets(region, name) {
  const regions = region ? [declared(region)] : figures.report.regions;
  const values = regions.map((each) => each?.[name]).filter((value) => value != null);
  return values.length ? [Math.min(...values), Math.max(...values)] : null;
}

const rateTarget = () => targets(chooser.value, "target");
const timeTarget = () => targets(chooser.value, "target_ms");
const memoryTarget = () => [start.memory_target, start.memory_target];
const charts = [
  chart("caches-chart-rate", "share", [{ key: "rate", label: "Hit rate", colour: "--tier-local", gaps: true }], percent, rateTarget),
  chart("caches-chart-time", "time", tiers, milliseconds, timeTarget),
  chart("caches-chart-memory", "memory", [{ key: "bytes", label: "Size", colour: "--tier-local", filled: true }], bytes, memoryTarget),
];
const trends = [...document.querySelectorAll("[data-trend]")].map((element) => [
  element.dataset.trend,
  new Sparkline(element, () => targets(element.dataset.trend, "target")),
]);

function pointsOf(region) {
  const past = kept(history, region, { least: start.least_reads, every: start.steps[step] });
  if (step !== "minute") return past;
  // History adds all servers up, whatever the page shows.
  if (figures.report.scope !== "fleet") return seen.points(region);
  return [...past.filter((point) => point.at <= seen.since), ...seen.points(region)];
}

function draw() {
  const region = chooser.value;
  const points = pointsOf(region);
  for (const each of charts) each.draw(points, figures.at);
  for (const [name, trend] of trends) trend.draw(pointsOf(name));
  const { label, hit_rate: rate, avg_access: time, memory } = rowOf(region);
  const said = [
    ["rate", "Hit rate", rate, rateTarget(), percent, "of all reads"],
    ["time", "Mean time of a read", time, timeTarget(), milliseconds, "for a hit"],
    ["memory", "Local memory", memory, memoryTarget(), bytes, "for all regions"],
  ];
  for (const [name, title, value, target, format, what] of said) {
    const words = target ? `${targetWords(target, format)} ${what}` : "no target";
    put(at(`caches-target-${name}`), words);
    at(`caches-chart-${name}`).setAttribute("aria-label", `${title} over time, ${label}: now ${value}; ${words}`);
  }
}

async function recall() {
  const wanted = step;
  try {
    const response = await fetch(`${start.history_url}?step=${wanted}`, { redirect: "manual" });
    if (!response.ok || wanted !== step) return;
    history = (await response.json()).series;
  } catch {
    // The charts go on with what the page has seen; `Live` says that nobody answers.
    return;
  }
  draw();
}

// --- what happens ----------------------------------------------------------------------------------------------------

const live = new Live(start.live_url, {
  show(answer) {
    const minute = Math.floor(figures.at / 60);
    figures = answer;
    seen.add(figures);
    show();
    draw();
    if (step !== "minute" && Math.floor(figures.at / 60) !== minute) recall();
  },
  tell(state) {
    at("caches-state").dataset.state = state;
    put(at("caches-state"), STATES[state]);
  },
});

at("caches-pause").addEventListener("click", (event) => {
  live.paused = !live.paused;
  event.currentTarget.setAttribute("aria-pressed", String(live.paused));
});

chooser.addEventListener("change", () => {
  showChosen();
  draw();
});

for (const button of document.querySelectorAll(".caches-choose")) {
  button.addEventListener("click", () => {
    chooser.value = button.value;
    showChosen();
    draw();
    at("caches-detail").scrollIntoView({ block: "start" });
    chooser.focus({ preventScroll: true });
  });
}

at("caches-range").addEventListener("change", (event) => {
  step = event.target.value;
  history = [];
  draw();
  recall();
});

const remake = () => {
  for (const each of charts) each.remake();
  for (const [, trend] of trends) trend.remake();
};
new MutationObserver(remake).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", remake);

const field = document.querySelector(".caches-target [name=org]");
if (field) offerOrganisations(field, at("caches-organisations"), start.organisations_url);

const target = document.querySelector(".caches-target [name=region]");
if (target) {
  const tell = () => {
    const parts = [...document.querySelectorAll("[data-parts]")].find((each) => each.dataset.parts === target.value);
    put(at("caches-parts"), parts ? `“${target.selectedOptions[0].text}”: ${parts.textContent}.` : "");
  };
  target.addEventListener("change", tell);
  tell();
}

document.querySelector(".caches-live").hidden = false;
at("caches-range").hidden = false;
seen.add(figures);
showChosen();
draw();
recall();

// Draws points over time with uPlot, in the colours that the page has at the moment.

/* global uPlot */

const HEIGHT = 190;
const FONT = '11px "Segoe UI", system-ui, Roboto, sans-serif';
const DAY = 86400;

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

export function percent(value) {
  return value == null ? "–" : `${Number((value * 100).toFixed(1))}%`;
}

export function milliseconds(value) {
  if (value == null) return "–";
  const [number, unit] = value < 1 ? [value * 1000, "µs"] : [value, "ms"];
  return `${number >= 100 ? Math.round(number) : Number(number.toPrecision(2))} ${unit}`;
}

export function bytes(value) {
  if (value == null) return "–";
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function count(value) {
  return value == null ? "–" : value.toLocaleString("en-US");
}

const two = (number) => String(number).padStart(2, "0");

function moment(seconds, span) {
  const date = new Date(seconds * 1000);
  if (span > DAY) return `${date.getDate()} ${date.toLocaleString("en-GB", { month: "short" })}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Draws where the targets are, from the least to the most: a dashed line, or a band.
 *
 * What is far above is drawn at the upper edge, and named with `words`. */
function targetBand(target, words) {
  return (chart) => {
    const { left, top, width, height } = chart.bbox;
    const aim = target();
    if (aim == null) return;
    const dot = devicePixelRatio;
    const place = (value) => Math.round(chart.valToPos(value, "y", true));
    const inside = (y) => Math.max(top, Math.min(top + height, y));
    const [lower, upper] = aim.map((value) => inside(place(value)));
    const context = chart.ctx;
    context.save();
    context.strokeStyle = context.fillStyle = colour("--caches-target");
    context.lineWidth = dot;
    context.globalAlpha = 0.12;
    context.fillRect(left, upper, width, lower - upper);
    context.globalAlpha = 1;
    context.setLineDash([6 * dot, 4 * dot]);
    context.beginPath();
    for (const y of [lower, upper]) {
      context.moveTo(left, y);
      context.lineTo(left + width, y);
    }
    context.stroke();
    if (words && place(aim[0]) < top) {
      context.font = FONT.replace("11px", `${11 * dot}px`);
      context.textAlign = "left";
      context.textBaseline = "top";
      context.fillText(`${words(aim)} ↑`, left + 6 * dot, top + 4 * dot);
    }
    context.restore();
  };
}

/** Return "target 95%" or "targets 80% to 95%". */
export function targetWords([least, most], format) {
  return least === most ? `target ${format(least)}` : `targets ${format(least)} to ${format(most)}`;
}

// Steps of an axis in bytes that are whole numbers of KB, MB and GB, too.
const BYTE_STEPS = [0, 10, 20, 30].flatMap((power) => [1, 2, 5, 10, 20, 50, 100, 200, 500].map((each) => each * 2 ** power));

function powersOfTen(_, __, least, most) {
  const powers = [];
  for (let power = Math.ceil(Math.log10(least) - 1e-9); 10 ** power <= most * 1.0001; power += 1) powers.push(10 ** power);
  return powers;
}

const AXES = {
  share: { values: (_, splits) => splits.map((each) => `${Math.round(each * 100)}%`), incrs: [0.25] },
  time: { values: (_, splits) => splits.map((each) => milliseconds(each)), splits: powersOfTen, filter: (_, splits) => splits },
  memory: { values: (_, splits) => splits.map((each) => bytes(each)), incrs: BYTE_STEPS },
};

/** Scales: a share from 0 to 1; milliseconds by powers of ten, with the targets; bytes from 0. */
const RANGES = {
  share: () => () => [0, 1],
  time: (target) => (_, least, most) => {
    const [lower, upper] = target() ?? [least ?? 1, most ?? 1];
    return uPlot.rangeLog(Math.min(least ?? lower, lower), Math.max(most ?? upper, upper), 10, true);
  },
  memory: (target) => (_, least, most) => {
    const aim = target()[1];
    // A target far above would press the line to the ground.
    return [0, most > aim / 4 ? Math.max(most, aim) * 1.1 : (most || 1) * 1.25];
  },
};

export class Chart {
  #chart = null;

  /** `lines` are {key, label, colour}, with `gaps` where a line is not to lead across what has no figure; `span` tells
   * how many seconds are shown. But for memory, the legend has the number of reads that a point stands for. */
  constructor(element, { kind, lines, format, target, span }) {
    Object.assign(this, { element, kind, lines, format, target, span });
    this.points = [];
    this.until = Date.now() / 1000;
    new ResizeObserver(() => this.#chart?.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
    this.remake();
  }

  /** Draw anew from the start: colours have changed. */
  remake() {
    this.#chart?.destroy();
    const axis = { font: FONT, stroke: colour("--body-quiet-color"), ticks: { show: false } };
    const grid = { stroke: colour("--caches-grid"), width: 1 };
    this.#chart = new uPlot(
      {
        width: this.element.clientWidth || 300,
        height: HEIGHT,
        padding: [8, 18, 0, 0],
        cursor: { sync: { key: "caches" }, drag: { x: false, y: false }, points: { size: 7 } },
        legend: { show: true, live: true },
        scales: {
          x: { time: true, range: () => [this.until - this.span(), this.until] },
          y: { distr: this.kind === "time" ? 3 : 1, range: RANGES[this.kind](this.target) },
          reads: { auto: false, range: [0, 1] },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 56, values: (_, splits) => splits.map((each) => moment(each, this.span())) },
          { ...axis, grid, size: 58, gap: 4, space: 30, ...AXES[this.kind] },
        ],
        series: [
          { label: "At", value: (_, at) => (at == null ? "–" : moment(at, this.span())) },
          ...this.lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            fill: line.filled ? `${colour(line.colour)}22` : undefined,
            width: 2,
            spanGaps: !line.gaps,
            points: { size: 5 },
            value: (_, value) => this.format(value),
          })),
          ...this.#readsLine,
        ],
        hooks: { draw: [targetBand(this.target, (aim) => targetWords(aim, this.format))] },
      },
      this.#data(),
      this.element,
    );
    this.#nameLatest();
  }

  /** Draw the points up to that moment, in seconds since 1970. */
  draw(points, until) {
    this.points = points;
    this.until = until;
    this.#chart.setData(this.#data());
    this.#nameLatest();
  }

  /** Unless somebody points at a moment, the legend tells the latest of which there is a figure. */
  #nameLatest() {
    if (this.#chart.cursor.left >= 0) return;
    const idx = this.points.findLastIndex((point) => this.lines.some((line) => point[line.key] != null));
    if (idx >= 0) this.#chart.setLegend({ idx });
  }

  #data() {
    const keys = ["at", ...this.lines.map((line) => line.key), ...(this.kind === "memory" ? [] : ["reads"])];
    return keys.map((key) => this.points.map((point) => point[key]));
  }

  /** What stands in the legend alone. */
  get #readsLine() {
    if (this.kind === "memory") return [];
    return [{ label: "Reads", scale: "reads", paths: () => null, points: { show: false }, value: (_, value) => count(value) }];
  }
}

/** A line without axes, as small as a word. */
export class Sparkline {
  #chart = null;

  constructor(element, target) {
    Object.assign(this, { element, target });
    this.points = [];
    this.remake();
  }

  remake() {
    this.#chart?.destroy();
    this.#chart = new uPlot(
      {
        width: this.element.clientWidth || 96,
        height: this.element.clientHeight || 28,
        padding: [3, 2, 3, 2],
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time: true }, y: { range: () => [0, 1] } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: colour("--tier-local"), width: 1.5, spanGaps: true, points: { show: false } }],
        hooks: { draw: [targetBand(this.target)] },
      },
      this.#data(),
      this.element,
    );
  }

  draw(points) {
    this.points = points.filter((point) => point.rate != null);
    this.#chart.setData(this.#data());
  }

  #data() {
    return [this.points.map((point) => point.at), this.points.map((point) => point.rate)];
  }
}

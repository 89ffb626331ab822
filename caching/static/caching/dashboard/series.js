// Makes points over time: of counters that the page has seen, and of minutes, hours and days that the server kept.

const STEP = 10;
const KEPT = 15 * 60;
const MINUTE = 60;

const mean = (nanoseconds, count) => (count > 0 ? nanoseconds / count / 1e6 : null);

/** Return the counters of one region, or of all of them ("") added up. */
function countersOf(numbers, region) {
  if (region) return numbers[region];
  const sums = {};
  for (const each of Object.values(numbers)) {
    for (const [name, value] of Object.entries(each)) sums[name] = (sums[name] ?? 0) + value;
  }
  return sums;
}

const none = { rate: null, reads: 0, local: null, redis: null, database: null };

/** The counters as the page saw them while it was open, one look in ten seconds and the latest. */
export class Seen {
  #looks = [];

  /** `least` is how many reads make a rate. */
  constructor(least) {
    this.least = least;
  }

  add({ at, numbers }) {
    const looks = this.#looks;
    // The one before the latest is kept when it is a step behind its predecessor; else the latest takes its place.
    if (looks.length > 1 && looks.at(-1).at - looks.at(-2).at < STEP) looks.pop();
    looks.push({ at, numbers });
    while (looks[0].at < at - KEPT) looks.shift();
  }

  get since() {
    return this.#looks[0]?.at ?? Infinity;
  }

  points(region) {
    const looks = this.#looks.map(({ at, numbers }) => ({ at, counters: countersOf(numbers, region) }));
    return looks.slice(1).map((later, index) => {
      let [first, point] = [index, this.#between(looks[index], later)];
      // Where little is read, a point stands for more than the time since the last one: for a minute at the most.
      while (first > 0 && point.reads < this.least && later.at - looks[first - 1].at <= MINUTE) {
        first -= 1;
        point = this.#between(looks[first], later);
      }
      return point;
    });
  }

  #between(earlier, later) {
    const more = (name) => later.counters[name] - earlier.counters[name];
    const hits = more("local_hits") + more("redis_hits");
    const reads = hits + more("misses");
    const { at } = later;
    const { bytes } = later.counters;
    // Counters that fell are those of servers that were started anew.
    if (hits < 0 || reads < hits) return { ...none, at, bytes };
    return {
      at,
      rate: reads >= this.least ? hits / reads : null,
      reads,
      local: mean(more("local_ns"), more("local_samples")),
      redis: mean(more("redis_ns"), more("redis_samples")),
      database: mean(more("miss_ns"), more("miss_samples")),
      bytes,
    };
  }
}

/** Return the points of a region, or of all of them (""), of what the server has kept.
 *
 * `least` is how many reads make a rate, `every` how many seconds apart the points are: the first of a time in which
 * nothing was read is there, too, so that no line leads across it. */
export function kept(series, region, { least, every }) {
  const chosen = series.filter((each) => !each.org && (!region || each.region === region));
  const sums = new Map();
  for (const each of chosen) {
    for (const point of each.points) {
      const at = Date.parse(point.at) / 1000;
      const sum = sums.get(at) ?? { requests: 0, hits: 0, sizes: {}, local: [0, 0], redis: [0, 0], miss: [0, 0] };
      sum.requests += point.requests;
      sum.hits += point.hits;
      sum.sizes[each.region] = point.bytes;
      for (const [tier, count] of [["local", "local_hits"], ["redis", "redis_hits"], ["miss", "misses"]]) {
        const milliseconds = point[`avg_${tier}_ms`];
        if (milliseconds > 0) {
          sum[tier][0] += milliseconds * point[count];
          sum[tier][1] += point[count];
        }
      }
      sums.set(at, sum);
    }
  }
  const share = ([spent, count]) => (count > 0 ? spent / count : null);
  // A region in which nothing happened for a while has no points, but keeps its memory.
  const sizes = {};
  const points = [];
  for (const [at, sum] of [...sums.entries()].sort(([one], [other]) => one - other)) {
    const last = points.at(-1);
    if (last && at - last.at > every) points.push({ ...none, at: last.at + every, bytes: last.bytes });
    points.push({
      at,
      rate: sum.requests >= least ? sum.hits / sum.requests : null,
      reads: sum.requests,
      local: share(sum.local),
      redis: share(sum.redis),
      database: share(sum.miss),
      bytes: Object.values(Object.assign(sizes, sum.sizes)).reduce((all, size) => all + size, 0),
    });
  }
  return points;
}

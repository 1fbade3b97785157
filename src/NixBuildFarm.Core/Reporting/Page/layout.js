// Where everything of a run is drawn, before a window gives it a width: a band for each builder, in it lanes, in them items from one time
// to another. No browser is needed for it.
import { hasFailed, isSubstituters, statusOf } from './run.js';

/** Pixels of the axis above all bands. */
export const AxisHeight = 26;

/** Pixels of the line above its lanes that names a band. */
export const HeadHeight = 24;

const BandGap = 6;

/** Lays out a run. An item is a build, a failed attempt, or a copy back; each derivation has at most one build. */
export function layout(run) {
  const bands = bandsOf(run);
  const lanes = bands.map(band => Array.from({ length: band.lanes }, () => []));
  const itemOf = new Array(run.jobs.length);
  const add = item => {
    lanes[item.row][item.lane].push(item);
    return item;
  };
  const critical = new Set(run.criticalPath);
  run.jobs.forEach((job, index) => {
    if (job.builder !== undefined && job.lane !== undefined) itemOf[index] = add(buildItem(run, job, index, critical));
    for (const attempt of job.attempts) {
      if (attempt.builder !== undefined && attempt.lane !== undefined) add(attemptItem(attempt, index));
    }
  });
  for (const copy of run.copies) add(copyItem(copy, run.builders.length));
  for (const lane of lanes.flat()) lane.sort((a, b) => a.from - b.from);

  const items = lanes.flat(2);
  const laneHeight = laneHeightFor(bands.reduce((sum, band) => sum + band.lanes, 0));
  const rowTop = [];
  let height = AxisHeight;
  for (const band of bands) {
    rowTop.push(height);
    height += HeadHeight + band.lanes * laneHeight + BandGap;
  }
  return { bands, lanes, items, itemOf, critical, laneHeight, rowTop, height, whole: wholeOf(items) };
}

// Copies back have a band of their own, below those of the builders.
function bandsOf(run) {
  return run.copies.length > 0 ? [...run.builders, { name: 'Copies back', kind: 'home', lanes: run.copyLanes }] : run.builders;
}

function buildItem(run, job, index, critical) {
  const from = job.supplyStart ?? job.start;
  const start = job.start ?? from;
  return { index, from, start, end: start + job.seconds, row: job.builder, lane: job.lane, kind: kindOf(run, job, critical.has(index)) };
}

function kindOf(run, job, isCritical) {
  if (hasFailed(job)) return 'failed';
  if (isSubstituters(run.builders[job.builder])) return 'fetched';
  if (statusOf(job) === 'Running') return 'running';
  return isCritical ? 'critical' : 'built';
}

function attemptItem(attempt, index) {
  const { start, seconds, builder: row, lane } = attempt;
  return { index, attempt, from: start, start, end: start + seconds, row, lane, kind: attempt.gaveWay ? 'hedge' : 'retry' };
}

function copyItem(copy, row) {
  const { start, seconds, lane } = copy;
  return { index: copy.jobs[0], copy, from: start, start, end: start + seconds, row, lane, kind: 'home' };
}

// A large farm has thin lanes.
function laneHeightFor(lanes) {
  if (lanes <= 48) return 20;
  return lanes <= 200 ? 12 : 7;
}

// All of the time that there is to see, with a margin on both sides.
function wholeOf(items) {
  const least = items.reduce((first, item) => Math.min(first, item.from), Infinity);
  const from = Number.isFinite(least) ? least : 0;
  const to = Math.max(items.reduce((last, item) => Math.max(last, item.end), 0), from + 0.1);
  const margin = (to - from) * 0.01;
  return { from: from - margin, to: to + margin };
}

/** Pixels from the top of all to the top of a lane. */
export const laneTop = (plan, row, lane) => plan.rowTop[row] + HeadHeight + lane * plan.laneHeight;

/** The place in a lane of the first item that ends after a time: items are in the order of time, and none covers another. */
export function firstAfter(lane, time) {
  let [low, high] = [0, lane.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lane[middle].end < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The item at a height and a time, or null; a thin one is found from within reach of it. */
export function itemAt(plan, y, time, reach) {
  let row = plan.bands.length - 1;
  while (row > 0 && plan.rowTop[row] > y) row--;
  if (row < 0) return null;
  const lane = plan.lanes[row][Math.floor((y - plan.rowTop[row] - HeadHeight) / plan.laneHeight)];
  const item = lane?.[firstAfter(lane, time - reach)];
  return item && item.from <= time + reach ? item : null;
}

/** The kinds of items that there are, with supplies of inputs and compiles elsewhere: what a legend has to explain. */
export function kindsOf(run, plan) {
  const kinds = new Set(plan.items.map(item => item.kind));
  if (plan.items.some(item => item.start > item.from)) kinds.add('supply');
  if (run.jobs.some(job => job.compiles?.elsewhere.length > 0)) kinds.add('shared');
  return kinds;
}

/** The item one step before (-1) or after (1) another in its lane; from nowhere the first of all. */
export function besideIn(plan, item, by) {
  if (item?.row === undefined) return firstOfAll(plan);
  const lane = plan.lanes[item.row][item.lane];
  return lane[lane.indexOf(item) + by];
}

/** The item at the same time in the next lane above (-1) or below (1) that has any; from nowhere the first of all. */
export function aboveOrBelow(plan, item, by) {
  if (item?.row === undefined) return firstOfAll(plan);
  const lanes = plan.lanes.flat();
  for (let other = lanes.indexOf(plan.lanes[item.row][item.lane]) + by; other >= 0 && other < lanes.length; other += by) {
    const lane = lanes[other];
    if (lane.length > 0) return lane[Math.min(firstAfter(lane, middleOf(item)), lane.length - 1)];
  }
  return undefined;
}

/** The item one step further on the critical path, which begins again after its end. */
export function furtherOnPath(run, plan, item, by) {
  const path = run.criticalPath;
  const at = item ? path.indexOf(item.index) : -1;
  return plan.itemOf[path[(at + by + path.length) % path.length]];
}

export const middleOf = item => (item.from + item.end) / 2;

function firstOfAll(plan) {
  return plan.items.length === 0 ? undefined : plan.items.reduce((a, b) => b.from < a.from ? b : a);
}

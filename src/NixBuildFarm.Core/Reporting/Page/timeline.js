// Draws the part of the timeline that is in sight: a scene is the run, its layout, the view of it, a pen with its colours, what is chosen,
// how high the canvas is and how far it is scrolled.
import { bytes, counted, percent, tickText } from './format.js';
import { AxisHeight, firstAfter, HeadHeight, laneTop } from './layout.js';
import { copyText, isSubstituters } from './run.js';

const Letters = 'system-ui, "DejaVu Sans", sans-serif';

const BandHeight = 4;

// Many of these may lie in one pixel, and then one of them is enough; none of the others is left out.
const ordinary = new Set(['built', 'fetched', 'home']);

export function drawTimeline(scene) {
  const { pen, plan, height, top } = scene;
  pen.textBaseline = 'middle';
  pen.lineWidth = 1;
  const ticks = scene.view.ticks();
  drawGrid(scene, ticks.times);
  plan.bands.forEach((band, row) => {
    const y = plan.rowTop[row] - top;
    if (y <= height && y + HeadHeight + band.lanes * plan.laneHeight >= AxisHeight) drawBand(scene, band, row, y);
  });
  if (scene.showsWaits) drawWaits(scene);
  drawCriticalPath(scene);
  drawChosen(scene);
  drawAxis(scene, ticks);
}

function drawGrid({ pen, view, colours, height }, times) {
  pen.strokeStyle = colours.line;
  pen.beginPath();
  for (const time of times) {
    const x = Math.round(view.toX(time)) + 0.5;
    pen.moveTo(x, AxisHeight);
    pen.lineTo(x, height);
  }
  pen.stroke();
}

function drawBand(scene, band, row, y) {
  const { pen, plan, colours, height, top } = scene;
  plan.lanes[row].forEach((lane, number) => {
    const laneY = laneTop(plan, row, number) - top;
    if (laneY < height && laneY + plan.laneHeight > AxisHeight) drawLane(scene, lane, laneY);
  });
  pen.font = `600 12.5px ${Letters}`;
  pen.fillStyle = colours.text;
  pen.fillText(band.name, 8, y + HeadHeight / 2 + 1);
  const nameWidth = pen.measureText(band.name).width;
  pen.font = `12px ${Letters}`;
  pen.fillStyle = colours.dim;
  pen.fillText(factsOfBand(scene.run, band), 8 + nameWidth + 10, y + HeadHeight / 2 + 1);
}

function factsOfBand(run, band) {
  if (isSubstituters(band)) return 'fetched from';
  if (band.kind === 'home') return `${bytes(run.copies.reduce((sum, copy) => sum + copy.bytes, 0))} from builders to this machine`;
  return `${counted(band.builds, 'build', 'builds')}, ${percent(band.utilisation)} busy`;
}

function drawLane(scene, lane, y) {
  const { pen, view } = scene;
  let drawnTo = -1;
  for (let i = firstAfter(lane, view.from); i < lane.length && lane[i].from <= view.to; i++) {
    const item = lane[i];
    const [from, end] = [view.toX(item.from), view.toX(item.end)];
    if (ordinary.has(item.kind) && end < drawnTo + 0.5) continue;
    drawnTo = Math.max(end, from + 1);
    drawItem(scene, item, y);
  }
  pen.globalAlpha = 1;
}

function drawItem({ run, pen, plan, view, colours, isDimmed }, item, y) {
  const { laneHeight } = plan;
  const tall = laneHeight - (laneHeight > 8 ? 2 : 1);
  const [from, start, end] = [view.toX(item.from), view.toX(item.start), view.toX(item.end)];
  pen.globalAlpha = isDimmed && item.kind !== 'critical' ? 0.25 : 1;
  if (start > from) {
    pen.fillStyle = colours.supply;
    pen.fillRect(from, y + tall * 0.28, start - from, tall * 0.44);
  }
  // A gap between two that follow each other at once, where there is room for it.
  const long = Math.max(1, end - start - (end - start > 4 ? 0.75 : 0));
  pen.fillStyle = colours[item.kind];
  pen.beginPath();
  pen.roundRect(start, y, long, tall, long > 6 ? Math.min(3, tall / 3) : 0);
  pen.fill();
  if (!item.copy && !item.attempt) drawCompiles(run.jobs[item.index].compiles, pen, view, colours, y + tall);
  if (long <= 46 || laneHeight < 12) return;
  pen.font = `${laneHeight >= 18 ? 11.5 : 9.5}px ${Letters}`;
  pen.fillStyle = colours[`${item.kind}-text`] ?? colours['plain-text'];
  const left = Math.max(start, 0) + 5;
  const name = item.copy ? copyText(run, item.copy) : run.jobs[item.index].name;
  drawName(pen, name, left, y + tall / 2 + 0.5, Math.min(end, view.width) - left - 4);
}

// A band along the lower edge of a build: the more compiles other builders do of it at a time, the stronger.
function drawCompiles(compiles, pen, view, colours, bottom) {
  if (!compiles) return;
  const alpha = pen.globalAlpha;
  pen.globalAlpha = alpha * 0.6;
  pen.fillStyle = colours.shared;
  for (const { start, seconds } of compiles.elsewhere) {
    const [from, end] = [view.toX(start), view.toX(start + seconds)];
    if (end >= 0 && from <= view.width) pen.fillRect(from, bottom - BandHeight, Math.max(1, end - from), BandHeight);
  }
  pen.globalAlpha = alpha;
}

// What does not fit is cut; a few letters of a name say nothing.
function drawName(pen, name, x, y, room) {
  if (room < 24) return;
  let shown = name;
  while (shown.length > 2 && pen.measureText(shown).width > room) shown = `${shown.slice(0, Math.floor(shown.length * 0.85) - 1)}…`;
  if (shown.length > 3 || shown === name) pen.fillText(shown, x, y);
}

function drawWaits({ run, pen, plan, view, colours, height, top }) {
  pen.strokeStyle = colours.dim;
  pen.globalAlpha = 0.7;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const item of plan.itemOf) {
    const waited = item ? run.jobs[item.index].waited : 0;
    if (waited < 0.05) continue;
    const [from, to] = [view.toX(item.start - waited), view.toX(item.start)];
    const y = Math.round(laneTop(plan, item.row, item.lane) - top + plan.laneHeight - 1) - 0.5;
    if (to < 0 || from > view.width || y < AxisHeight || y > height) continue;
    pen.moveTo(from, y - 3);
    pen.lineTo(from, y);
    pen.lineTo(to, y);
  }
  pen.stroke();
  pen.globalAlpha = 1;
}

function drawCriticalPath({ run, pen, plan, view, colours, top }) {
  const middle = item => laneTop(plan, item.row, item.lane) - top + plan.laneHeight / 2;
  pen.strokeStyle = colours.critical;
  pen.lineWidth = 1.5;
  pen.globalAlpha = 0.55;
  pen.beginPath();
  for (let i = 1; i < run.criticalPath.length; i++) {
    const [before, after] = [plan.itemOf[run.criticalPath[i - 1]], plan.itemOf[run.criticalPath[i]]];
    if (!before || !after || view.toX(after.from) < 0 || view.toX(before.end) > view.width) continue;
    const [x1, y1] = [view.toX(before.end), middle(before)];
    const [x2, y2] = [view.toX(after.from), middle(after)];
    pen.moveTo(x1, y1);
    pen.bezierCurveTo(x1 + 10, y1, x2 - 10, y2, x2, y2);
  }
  pen.stroke();
  pen.globalAlpha = 1;
}

function drawChosen({ pen, plan, view, colours, chosen, top }) {
  if (chosen?.row === undefined) return;
  const [from, end] = [view.toX(chosen.from), view.toX(chosen.end)];
  pen.strokeStyle = colours.text;
  pen.lineWidth = 2;
  pen.strokeRect(from - 1, laneTop(plan, chosen.row, chosen.lane) - top - 1, Math.max(3, end - from) + 1, plan.laneHeight);
}

// The axis stays where it is while the bands are scrolled beneath it.
function drawAxis({ pen, view, colours }, { times, step }) {
  pen.fillStyle = colours.card;
  pen.fillRect(0, 0, view.width, AxisHeight);
  pen.strokeStyle = colours.line;
  pen.beginPath();
  pen.moveTo(0, AxisHeight + 0.5);
  pen.lineTo(view.width, AxisHeight + 0.5);
  pen.stroke();
  pen.font = `12px ${Letters}`;
  pen.fillStyle = colours.dim;
  pen.textAlign = 'center';
  for (const time of times) {
    const text = tickText(time, step);
    const half = pen.measureText(text).width / 2 + 4;
    pen.fillText(text, Math.min(Math.max(view.toX(time), half), view.width - half), AxisHeight / 2);
  }
  pen.textAlign = 'left';
}

// How many builds were at work, over time.
import { counted } from './format.js';
import { isSubstituters } from './run.js';

const HeadPixels = 22;

/** When builds began (+1) and ended (-1), in the order of time. */
export function changesOf(run, plan) {
  const changes = [];
  for (const item of plan.items) {
    if (item.attempt || item.copy || isSubstituters(run.builders[item.row]) || item.end <= item.start) continue;
    changes.push([item.start, 1], [item.end, -1]);
  }
  return changes.sort((a, b) => a[0] - b[0]);
}

export const slotsOf = run => run.builders.reduce((sum, builder) => sum + (isSubstituters(builder) ? 0 : builder.slots), 0);

/** The mean number of builds at work in each pixel of a part of the time. */
export function loadOf(changes, { from, to }, pixels) {
  const load = new Float64Array(Math.ceil(pixels) + 1);
  const toX = time => (time - from) / (to - from) * pixels;
  const add = (begin, end, builds) => {
    if (builds === 0 || end <= begin) return;
    const [x1, x2] = [toX(begin), toX(end)];
    for (let x = Math.floor(x1); x <= Math.min(Math.floor(x2), pixels); x++) {
      load[x] += builds * Math.max(0, Math.min(x + 1, x2) - Math.max(x, x1));
    }
  };
  let builds = 0;
  let begin = from;
  for (const [time, change] of changes) {
    if (time > to) break;
    if (time > from) {
      add(begin, time, builds);
      begin = time;
    }
    builds += change;
  }
  add(begin, to, builds);
  return load;
}

/** Draws it, as high as all slots at work would be. */
export function drawLoad(pen, colours, changes, slots, view, wide, tall) {
  const most = Math.max(1, slots);
  const load = loadOf(changes, view, wide);
  pen.fillStyle = colours.built;
  pen.beginPath();
  pen.moveTo(0, tall);
  for (let x = 0; x < wide; x++) {
    const y = tall - Math.min(1, load[x] / most) * (tall - HeadPixels);
    pen.lineTo(x, y);
    pen.lineTo(x + 1, y);
  }
  pen.lineTo(wide, tall);
  pen.fill();
  pen.strokeStyle = colours.line;
  pen.beginPath();
  pen.moveTo(0, HeadPixels - 0.5);
  pen.lineTo(wide, HeadPixels - 0.5);
  pen.stroke();
  pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
  pen.fillStyle = colours.dim;
  pen.textBaseline = 'middle';
  pen.fillText(`Builds at work, of ${counted(slots, 'slot', 'slots')}`, 8, HeadPixels / 2);
}

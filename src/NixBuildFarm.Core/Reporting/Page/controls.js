// What pointer, wheel, keys and buttons do to the timeline.
import { showTip } from './detail.js';
import { byId, isPressed } from './dom.js';
import { aboveOrBelow, besideIn, furtherOnPath, middleOf } from './layout.js';

// A hand that clicks may tremble by so many pixels.
const StillPixels = 3;

/** Follows the pointer: it tells what lies under it, moves the timeline, and chooses with a click. */
export function followPointer(chart, choose) {
  const { canvas, view } = chart;
  const xOf = event => event.clientX - canvas.getBoundingClientRect().left;
  const itemUnder = event => chart.itemAt(xOf(event), event.clientY - canvas.getBoundingClientRect().top);
  const tell = (item, event) => showTip(chart.run, chart.plan, item, event?.clientX, event?.clientY);
  let drag = null;
  canvas.addEventListener('pointerdown', event => {
    drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (!drag) {
      tell(itemUnder(event), event);
      return;
    }
    const pixels = event.clientX - drag.x;
    if (Math.abs(pixels) > StillPixels) drag.moved = true;
    if (drag.moved) {
      tell(null);
      const by = pixels / view.width * (drag.to - drag.from);
      view.show(drag.from - by, drag.to - by);
    }
  });
  canvas.addEventListener('pointerup', event => {
    if (drag && !drag.moved) choose(itemUnder(event));
    drag = null;
  });
  canvas.addEventListener('pointercancel', () => { drag = null; });
  canvas.addEventListener('pointerleave', () => tell(null));
  chart.box.addEventListener('scroll', () => tell(null));
  canvas.addEventListener('dblclick', event => view.zoom(0.4, view.toTime(xOf(event))));
  canvas.addEventListener('wheel', event => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      view.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 150), view.toTime(xOf(event)));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      view.move(view.seconds(event.deltaX || event.deltaY));
    }
  }, { passive: false });
}

/** Obeys the keys, while the timeline has the focus. */
export function followKeys(chart, choose, revealRow) {
  const { view } = chart;
  const go = item => { if (item) choose(item, true); };
  const zoomIn = () => view.zoom(0.5, chart.chosen?.row === undefined ? undefined : middleOf(chart.chosen));
  const quarter = () => view.length / 4;
  const keys = {
    ArrowLeft: event => event.shiftKey ? view.move(-quarter()) : go(besideIn(chart.plan, chart.chosen, -1)),
    ArrowRight: event => event.shiftKey ? view.move(quarter()) : go(besideIn(chart.plan, chart.chosen, 1)),
    ArrowUp: () => go(aboveOrBelow(chart.plan, chart.chosen, -1)),
    ArrowDown: () => go(aboveOrBelow(chart.plan, chart.chosen, 1)),
    '+': zoomIn,
    '=': zoomIn,
    '-': () => view.zoom(2),
    0: () => view.fit(),
    Home: () => view.fit(),
    c: () => go(furtherOnPath(chart.run, chart.plan, chart.chosen, 1)),
    // Capitals are also typed without the Shift key.
    C: event => go(furtherOnPath(chart.run, chart.plan, chart.chosen, event.shiftKey ? -1 : 1)),
    Escape: () => choose(null),
    Enter: () => { if (chart.chosen) revealRow(chart.chosen.index); },
  };
  chart.canvas.addEventListener('keydown', event => {
    if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key](event);
  });
}

export function followButtons(chart) {
  byId('in').addEventListener('click', () => chart.view.zoom(0.5));
  byId('out').addEventListener('click', () => chart.view.zoom(2));
  byId('fit').addEventListener('click', () => chart.view.fit());
  for (const id of ['critical', 'waits']) {
    byId(id).addEventListener('click', () => {
      byId(id).setAttribute('aria-pressed', String(!isPressed(id)));
      chart.draw();
    });
  }
}

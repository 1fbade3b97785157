// The timeline and the load below it on the page: sizes, scrolling, and drawing once a frame.
import { byId, coloursOf, element, isPressed, penOf } from './dom.js';
import { AxisHeight, HeadHeight, itemAt, kindsOf, laneTop } from './layout.js';
import { changesOf, drawLoad, slotsOf } from './load.js';
import { drawTimeline } from './timeline.js';
import { View } from './view.js';

// In the order of the legend.
const kindNames = {
  built: 'Build',
  critical: 'Build on the critical path',
  supply: 'Inputs on their way',
  retry: 'Failed attempt',
  hedge: 'Hedged build that gave way',
  fetched: 'Fetched',
  home: 'Copy back',
  running: 'Build that goes on',
  shared: 'Compiles on other builders',
  failed: 'Failed',
};

// A thin item is found by a pointer that is so many pixels beside it.
const ReachPixels = 2;

export class Chart {
  constructor(run, plan) {
    this.view = new View(plan.whole, () => this.draw());
    this.chosen = null;
    this.height = 1;
    this.box = byId('gantt');
    this.canvas = byId('gantt-canvas');
    this.box.addEventListener('scroll', () => this.draw());
    this.show(run, plan);
  }

  /** Shows a run, or the same as it is some time later. */
  show(run, plan) {
    this.run = run;
    this.plan = plan;
    this.changes = changesOf(run, plan);
    this.slots = slotsOf(run);
    byId('gantt-size').style.height = `${plan.height}px`;
    this.showLegend();
    this.view.extend(plan.whole);
  }

  /** Draws in the next frame, however often it is called until then. */
  draw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      this.drawNow();
    });
  }

  drawNow() {
    const { run, plan, view } = this;
    view.width = this.box.clientWidth;
    this.height = Math.min(plan.height, Math.max(120, innerHeight * 0.68 - 2));
    this.canvas.style.height = `${this.height}px`;
    this.box.style.height = `${this.height + 2}px`;
    const colours = coloursOf(document.documentElement);
    drawTimeline({
      run, plan, view, colours, height: this.height, top: this.box.scrollTop, chosen: this.chosen,
      pen: penOf(this.canvas, view.width, this.height), isDimmed: isPressed('critical'), showsWaits: isPressed('waits'),
    });
    const { clientWidth: wide, clientHeight: tall } = byId('load-box');
    drawLoad(penOf(byId('load'), wide, tall), colours, this.changes, this.slots, view, wide, tall);
  }

  /** The item at a place of the canvas, or null. */
  itemAt(x, y) {
    if (y < AxisHeight) return null;
    return itemAt(this.plan, y + this.box.scrollTop, this.view.toTime(x), this.view.seconds(ReachPixels));
  }

  /** Moves and scrolls to an item that is out of sight. */
  bringIntoView(item) {
    this.view.bringIntoView(item);
    const y = laneTop(this.plan, item.row, item.lane);
    if (y - AxisHeight < this.box.scrollTop) this.box.scrollTop = y - AxisHeight - HeadHeight;
    else if (y + this.plan.laneHeight > this.box.scrollTop + this.height) this.box.scrollTop = y + this.plan.laneHeight - this.height + 10;
  }

  showLegend() {
    const kinds = kindsOf(this.run, this.plan);
    const shown = Object.entries(kindNames).filter(([kind]) => kinds.has(kind));
    byId('legend').replaceChildren(
      ...shown.map(([kind, name]) => element('li', {}, element('i', { style: `background: var(--${kind})` }), name)));
  }
}

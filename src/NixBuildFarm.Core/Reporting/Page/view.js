// The part of a run's time that is in sight, and the pixels that it has.

const LeastSeconds = 0.02;
const Steps = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
];
const PixelsPerTick = 110;

export class View {
  /** Sees all of the time from the beginning; `changed` is called after each move. */
  constructor(whole, changed = () => {}) {
    this.whole = whole;
    this.changed = changed;
    this.width = 1;
    Object.assign(this, whole);
  }

  get length() {
    return this.to - this.from;
  }

  toX(time) {
    return (time - this.from) / this.length * this.width;
  }

  toTime(x) {
    return this.from + x / this.width * this.length;
  }

  /** Seconds that so many pixels stand for. */
  seconds(pixels) {
    return pixels / this.width * this.length;
  }

  /** Shows a part; one that reaches over an end is moved to it, and none is shorter than can be drawn. */
  show(from, to) {
    const length = Math.max(to - from, LeastSeconds);
    if (length >= this.whole.to - this.whole.from) return this.fit();
    this.from = Math.min(Math.max(from, this.whole.from), this.whole.to - length);
    this.to = this.from + length;
    this.changed();
  }

  /** There is another whole to see, as of a run that goes on: what saw all of it sees all again, else what is in sight stays. */
  extend(whole) {
    const sawAll = this.from === this.whole.from && this.to === this.whole.to;
    this.whole = whole;
    if (sawAll) this.fit();
    else this.show(this.from, this.to);
  }

  fit() {
    Object.assign(this, this.whole);
    this.changed();
  }

  /** Shows so many times the time that is in sight now; one moment of it stays where it is. */
  zoom(factor, at = (this.from + this.to) / 2) {
    this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  move(seconds) {
    this.show(this.from + seconds, this.to + seconds);
  }

  /** Moves to an item if hardly anything of it is in sight. */
  bringIntoView(item) {
    const edge = this.length * 0.05;
    if (item.end >= this.from + edge && item.from <= this.to - edge) return;
    const middle = (item.from + item.end) / 2;
    this.show(middle - this.length / 2, middle + this.length / 2);
  }

  /** Round times for the axis, and how far apart they are. */
  ticks() {
    const wanted = this.length / Math.max(2, this.width / PixelsPerTick);
    const step = Steps.find(s => s >= wanted) ?? Steps.at(-1);
    const times = [];
    for (let time = Math.ceil(this.from / step) * step; time <= this.to; time += step) times.push(time);
    return { times, step };
  }
}

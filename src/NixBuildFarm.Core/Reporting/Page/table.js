// The table of derivations: sorted and filtered as the reader wants. Only the rows in sight are in the page.
import { byId, element } from './dom.js';
import { bytes, number, span } from './format.js';
import { builderOf } from './run.js';

const RowHeight = 31;
const RowsAbove = 8;
const RowsBelow = 10;

/** The columns; a value that is undefined is shown as nothing. Figures begin with the largest when they are sorted by. */
export function columnsOf(run) {
  const size = value => value ? bytes(value) : '';
  const ofBuild = value => job => job.start === undefined ? undefined : value(job);
  return [
    { title: 'Name', value: job => job.name, style: 'name' },
    { title: 'Status', value: job => job.status, style: 'name-like' },
    { title: 'Builder', value: job => builderOf(run, job), style: 'name-like roomy' },
    { title: 'System', value: job => job.system, style: 'name-like wide' },
    { title: 'Start', value: job => job.start, text: span, style: 'n wide', isFigure: true },
    { title: 'Duration', value: ofBuild(job => job.seconds), text: span, style: 'n', isFigure: true },
    { title: 'Expected', value: job => job.expectedSeconds, text: span, style: 'n widest', isFigure: true },
    { title: 'Waited', value: ofBuild(job => job.waited), text: span, style: 'n wide', isFigure: true },
    { title: 'Sent', value: job => job.suppliedBytes || undefined, text: size, style: 'n widest', isFigure: true },
    { title: 'Output', value: job => job.outputBytes || undefined, text: size, style: 'n widest', isFigure: true },
  ];
}

/** The indexes of the derivations that have every word of a filter and a status; an empty one lets all through. */
export function matching(run, filter, status) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = job => {
    const text = `${job.name} ${builderOf(run, job)} ${job.system}`.toLowerCase();
    return (!status || job.status === status) && words.every(word => text.includes(word));
  };
  return [...run.jobs.keys()].filter(index => matches(run.jobs[index]));
}

/** Indexes in the order of a column; what has no value comes last, whatever the direction. */
export function sorted(run, indexes, column, isDown) {
  const sign = isDown ? -1 : 1;
  return [...indexes].sort((a, b) => {
    const [left, right] = [column.value(run.jobs[a]), column.value(run.jobs[b])];
    if (left === undefined || right === undefined) return (left === undefined) - (right === undefined) || a - b;
    return sign * (typeof left === 'string' ? left.localeCompare(right, 'en', { numeric: true }) : left - right) || a - b;
  });
}

export class Table {
  /** `choose` is called with the index of a derivation whose name is clicked. */
  constructor(run, choose) {
    this.run = run;
    this.choose = choose;
    this.columns = columnsOf(run);
    this.sort = { column: this.columns.find(column => column.title === 'Start'), isDown: false };
    this.shown = [];
    this.chosen = undefined;
    this.box = byId('rows');
    const statuses = [...new Set(run.jobs.map(job => job.status))].sort();
    byId('status').append(element('option', { value: '' }, 'Every status'));
    byId('status').append(...statuses.map(status => element('option', { value: status }, status)));
    for (const column of this.columns) {
      const button = element('button', { type: 'button', onclick: () => this.sortBy(column) }, column.title);
      column.head = element('th', { class: column.style, scope: 'col' }, button);
      byId('heads').append(column.head);
    }
    byId('filter').addEventListener('input', () => this.filter());
    byId('status').addEventListener('change', () => this.filter());
    this.box.addEventListener('scroll', () => this.draw());
    this.filter();
  }

  /** Sorts by a column; by the same one again, the other way round. */
  sortBy(column) {
    this.sort = { column, isDown: this.sort.column === column ? !this.sort.isDown : Boolean(column.isFigure) };
    this.filter();
  }

  filter() {
    const { column, isDown } = this.sort;
    const all = this.run.jobs.length;
    this.shown = sorted(this.run, matching(this.run, byId('filter').value, byId('status').value), column, isDown);
    for (const other of this.columns) {
      const isSorted = other === column;
      other.head.setAttribute('aria-sort', isSorted ? (isDown ? 'descending' : 'ascending') : 'none');
      other.head.firstChild.textContent = other.title + (isSorted ? (isDown ? ' ↓' : ' ↑') : '');
    }
    byId('count').textContent = this.shown.length === all ? number(all) : `${number(this.shown.length)} of ${number(all)}`;
    this.box.scrollTop = 0;
    this.draw();
  }

  draw() {
    const from = Math.max(0, Math.floor(this.box.scrollTop / RowHeight) - RowsAbove);
    const to = Math.min(this.shown.length, from + Math.ceil(this.box.clientHeight / RowHeight) + RowsAbove + RowsBelow);
    // Columns that the window is too narrow for are hidden, and a row that spans them all the same would make empty ones of them.
    const visible = this.columns.filter(column => getComputedStyle(column.head).display !== 'none').length;
    const had = document.activeElement?.dataset?.job;
    byId('body').replaceChildren(
      ...spacer(from, visible),
      ...this.shown.slice(from, to).map(index => this.row(index)),
      ...spacer(this.shown.length - to, visible));
    if (had !== undefined) byId('body').querySelector(`[data-job="${had}"]`)?.focus({ preventScroll: true });
  }

  row(index) {
    const job = this.run.jobs[index];
    const row = element('tr', { class: `${job.isRequested ? 'asked' : ''} ${this.chosen === index ? 'chosen' : ''}` });
    for (const { title, value, text, style, isFigure } of this.columns) {
      const shown = text ? text(value(job)) : value(job) ?? '';
      const cell = element('td', { class: title === 'Status' ? `${style} ${job.status}` : style, title: isFigure ? undefined : shown });
      cell.append(title === 'Name' ? this.nameButton(index, shown) : shown);
      row.append(cell);
    }
    return row;
  }

  nameButton(index, name) {
    return element('button', { type: 'button', 'data-job': index, onclick: () => this.choose(index) }, name);
  }

  /** Scrolls to a derivation, which gets the focus; one that the filter hides ends the filter. */
  reveal(index) {
    if (!this.shown.includes(index)) {
      byId('filter').value = '';
      byId('status').value = '';
      this.filter();
    }
    this.box.scrollTop = Math.max(0, this.shown.indexOf(index) * RowHeight - 100);
    this.draw();
    byId('body').querySelector(`[data-job="${index}"]`)?.focus();
  }
}

// An empty row that is as high as the rows that are out of sight.
function spacer(rows, columns) {
  if (rows === 0) return [];
  const style = `height: ${rows * RowHeight}px; border: 0; padding: 0`;
  return [element('tr', { 'aria-hidden': 'true' }, element('td', { colspan: columns, style }))];
}

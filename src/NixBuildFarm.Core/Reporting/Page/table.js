// A table that is sorted as the reader wants. Only the rows in sight are in the page.
import { element } from './dom.js';

const RowHeight = 31;
const RowsAbove = 8;
const RowsBelow = 10;

/** Indexes of items in the order of a column; what has no value comes last, whatever the direction. */
export function sorted(items, indexes, column, isDown) {
  const sign = isDown ? -1 : 1;
  return [...indexes].sort((a, b) => {
    const [left, right] = [column.value(items[a]), column.value(items[b])];
    if (left === undefined || right === undefined) return (left === undefined) - (right === undefined) || a - b;
    return sign * (typeof left === 'string' ? left.localeCompare(right, 'en', { numeric: true }) : left - right) || a - b;
  });
}

export class Table {
  /**
   * A table in a box that scrolls. A column has a title, the value of an item, how it is shown (`text`, or as an element `cell`) and the
   * style of its cells; figures begin with the largest when they are sorted by. `optionsOf` gives the attributes of an item's row.
   */
  constructor(box, columns, sort, optionsOf) {
    Object.assign(this, { box, columns, optionsOf, items: [], wanted: [], shown: [] });
    this.sort = { column: columns.find(column => column.title === sort.title), isDown: Boolean(sort.isDown) };
    this.body = box.querySelector('tbody');
    for (const column of columns) {
      const button = element('button', { type: 'button', onclick: () => this.sortBy(column) }, column.title);
      column.head = element('th', { class: column.style, scope: 'col' }, button);
      box.querySelector('thead tr').append(column.head);
    }
    box.addEventListener('scroll', () => this.draw());
  }

  /** Shows some of the items: those of these indexes. */
  show(items, indexes) {
    this.items = items;
    this.wanted = indexes;
    this.order();
  }

  /** Sorts by a column; by the same one again, the other way round. */
  sortBy(column) {
    this.sort = { column, isDown: this.sort.column === column ? !this.sort.isDown : Boolean(column.isFigure) };
    this.box.scrollTop = 0;
    this.order();
  }

  order() {
    const { column, isDown } = this.sort;
    this.shown = sorted(this.items, this.wanted, column, isDown);
    for (const other of this.columns) {
      const isSorted = other === column;
      other.head.setAttribute('aria-sort', isSorted ? (isDown ? 'descending' : 'ascending') : 'none');
      other.head.firstChild.textContent = other.title + (isSorted ? (isDown ? ' ↓' : ' ↑') : '');
    }
    this.draw();
  }

  draw() {
    const from = Math.max(0, Math.floor(this.box.scrollTop / RowHeight) - RowsAbove);
    const to = Math.min(this.shown.length, from + Math.ceil(this.box.clientHeight / RowHeight) + RowsAbove + RowsBelow);
    // Columns that the window is too narrow for are hidden, and a row that spans them all the same would make empty ones of them.
    const visible = this.columns.filter(column => getComputedStyle(column.head).display !== 'none').length;
    const had = this.body.contains(document.activeElement) ? document.activeElement.closest('tr').dataset.index : undefined;
    this.body.replaceChildren(
      ...spacer(from, visible),
      ...this.shown.slice(from, to).map(index => this.row(index)),
      ...spacer(this.shown.length - to, visible));
    if (had !== undefined) this.focus(had, { preventScroll: true });
  }

  row(index) {
    const item = this.items[index];
    const row = element('tr', { 'data-index': index, ...this.optionsOf(item, index) });
    for (const { value, text, cell, style, styleOf, isFigure } of this.columns) {
      const shown = text ? text(value(item), item) : value(item) ?? '';
      const own = element('td', { class: `${style} ${styleOf?.(item) ?? ''}`.trim(), title: isFigure ? undefined : shown });
      own.append(cell ? cell(item, shown) : shown);
      row.append(own);
    }
    return row;
  }

  /** Scrolls to an item, whose link gets the focus. */
  reveal(index) {
    this.box.scrollTop = Math.max(0, this.shown.indexOf(index) * RowHeight - 100);
    this.draw();
    this.focus(index);
  }

  focus(index, options) {
    this.body.querySelector(`tr[data-index="${index}"] a`)?.focus(options);
  }
}

// An empty row that is as high as the rows that are out of sight.
function spacer(rows, columns) {
  if (rows === 0) return [];
  const style = `height: ${rows * RowHeight}px; border: 0; padding: 0`;
  return [element('tr', { 'aria-hidden': 'true' }, element('td', { colspan: columns, style }))];
}

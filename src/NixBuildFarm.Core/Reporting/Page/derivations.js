// The table of derivations, filtered as the reader wants.
import { byId, element } from './dom.js';
import { bytes, number, span } from './format.js';
import { builderOf, fragmentOf, statusOf } from './run.js';
import { Table } from './table.js';

/** The columns, of the run as it is when they are shown; a value that is undefined is shown as nothing. */
export function columnsOf(currentRun) {
  const size = value => value ? bytes(value) : '';
  const expected = (seconds, job) => job.isGuess ? `${span(seconds)}?` : span(seconds);
  const ofBuild = value => job => job.start === undefined ? undefined : value(job);
  const link = (job, name) => element('a', { href: fragmentOf(job) }, name);
  return [
    { title: 'Name', value: job => job.name, style: 'name', cell: link },
    { title: 'Status', value: statusOf, style: 'name-like', styleOf: statusOf },
    { title: 'Builder', value: job => builderOf(currentRun(), job), style: 'name-like roomy' },
    { title: 'System', value: job => job.system, style: 'name-like wide' },
    { title: 'Start', value: job => job.start, text: span, style: 'n wide', isFigure: true },
    { title: 'Duration', value: ofBuild(job => job.seconds), text: span, style: 'n', isFigure: true },
    { title: 'Expected', value: job => job.expectedSeconds, text: expected, style: 'n widest', isFigure: true },
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
    return (!status || statusOf(job) === status) && words.every(word => text.includes(word));
  };
  return [...run.jobs.keys()].filter(index => matches(run.jobs[index]));
}

export class DerivationTable {
  constructor(run) {
    this.chosen = undefined;
    this.table = new Table(byId('rows'), columnsOf(() => this.run), { title: 'Start' }, (job, index) => ({
      class: `${job.isRequested ? 'asked' : ''} ${this.chosen === index ? 'chosen' : ''}`, 'data-status': statusOf(job),
    }));
    byId('filter').addEventListener('input', () => this.filter());
    byId('status').addEventListener('change', () => this.filter());
    this.show(run);
  }

  show(run) {
    this.run = run;
    const statuses = [...new Set(run.jobs.map(statusOf))].sort();
    const chosen = byId('status').value;
    if (chosen && !statuses.includes(chosen)) statuses.push(chosen);
    byId('status').replaceChildren(
      element('option', { value: '' }, 'Every status'), ...statuses.map(status => element('option', { value: status }, status)));
    byId('status').value = chosen;
    this.select();
  }

  filter() {
    this.table.box.scrollTop = 0;
    this.select();
  }

  select() {
    const all = this.run.jobs.length;
    const wanted = matching(this.run, byId('filter').value, byId('status').value);
    this.table.show(this.run.jobs, wanted);
    byId('count').textContent = wanted.length === all ? number(all) : `${number(wanted.length)} of ${number(all)}`;
  }

  draw() {
    this.table.draw();
  }

  /** Scrolls to a derivation, which gets the focus; one that the filter hides ends the filter. */
  reveal(index) {
    if (!this.table.shown.includes(index)) {
      byId('filter').value = '';
      byId('status').value = '';
      this.filter();
    }
    this.table.reveal(index);
  }
}

// What differs from the run that this one is compared to.
import { byId, element } from './dom.js';
import { number, signedSpan, span } from './format.js';
import { fragmentOf } from './run.js';
import { Table } from './table.js';

// In the order of what a reader looks for first, each as it is said.
const changeNames = {
  Slower: 'slower', Failed: 'failed', Faster: 'faster', Mended: 'mended', New: 'new', Gone: 'gone', Alike: 'alike', NotBuilt: 'not built',
};

/** How many derivations there are of each change, those that there are. */
export function changesIn(comparison) {
  const counts = Object.keys(changeNames).map(change => [change, comparison.derivations.filter(one => one.change === change).length]);
  return counts.filter(([, count]) => count > 0);
}

/** The figures of both runs, as far as one has them: title, then, now, difference. */
export function bothOf(run) {
  const { comparedTo: then } = run;
  const line = (title, before, after) =>
    [title, before ? span(before) : '', after ? span(after) : '', before && after ? signedSpan(after - before) : ''];
  return [
    line('Makespan', then.makespan, run.makespan), line('Lower bound', then.lowerBound, run.lowerBound),
    line('From start to end', then.seconds, run.seconds),
  ].filter(([, ...figures]) => figures.some(Boolean));
}

export function comparisonColumns() {
  const link = (one, name) => one.derivationPath === undefined ? name : element('a', { href: fragmentOf(one) }, name);
  const status = value => value === undefined || value === 'Built' ? '' : value;
  const duration = how => (seconds, one) => seconds === undefined ? status(one[how]) : span(seconds);
  return [
    { title: 'Name', value: one => one.name, style: 'name', cell: link },
    { title: 'Change', value: one => changeNames[one.change], style: 'change', styleOf: one => `change-${one.change}` },
    { title: 'Then', value: one => one.secondsThen, text: duration('statusThen'), style: 'n roomy', isFigure: true },
    { title: 'Now', value: one => one.seconds, text: duration('status'), style: 'n roomy', isFigure: true },
    { title: 'Difference', value: one => one.difference, text: signedSpan, style: 'n difference', isFigure: true },
    { title: 'Builder then', value: one => one.builderThen ?? '', style: 'name-like roomy wide' },
    { title: 'Builder now', value: one => one.builder ?? '', style: 'name-like roomy wide' },
  ];
}

/** Shows the comparison, where the run has one. Returns its table. */
export function showComparison(run) {
  const { comparedTo: then } = run;
  if (!then) return undefined;
  byId('comparison').hidden = false;
  byId('comparison-title').textContent = `Compared with run ${then.runId}`;
  const counts = changesIn(then).map(([change, count]) => `${number(count)} ${changeNames[change]}`);
  byId('compared-run').textContent = `${counts.join(', ')}. That run began ${new Date(then.started).toLocaleString()}: ${then.state}.`;
  byId('both').append(...bothOf(run).map(([title, ...figures]) => element('tr', {},
    element('th', { scope: 'row' }, title), ...figures.map(figure => element('td', { class: 'n' }, figure)))));
  const largestFirst = { title: 'Difference', isDown: true };
  const table = new Table(byId('changes'), comparisonColumns(), largestFirst, one => ({ 'data-change': one.change }));
  const select = () => {
    const change = byId('change').value;
    const wanted = [...then.derivations.keys()].filter(index => !change || then.derivations[index].change === change);
    table.box.scrollTop = 0;
    table.show(then.derivations, wanted);
  };
  const option = (value, text) => element('option', { value }, text);
  byId('change').append(
    option('', `All ${number(then.derivations.length)}`),
    ...changesIn(then).map(([change], place) => option(change, counts[place])));
  byId('change').addEventListener('change', select);
  select();
  return table;
}

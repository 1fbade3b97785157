// The head of the page, its figures and the table of builders.
import { byId, element } from './dom.js';
import { bytes, number, percent, span } from './format.js';
import { hasFailed, isDone, isSubstituters } from './run.js';

export function showHead(run) {
  document.title = `Run ${run.runId}`;
  byId('run').textContent = run.runId;
  byId('state').textContent = run.state;
  byId('state').classList.add(run.state);
  byId('asked').textContent = `${run.requested.join(', ')} · ${new Date(run.started).toLocaleString()}`;
  if (run.error) {
    byId('error').textContent = run.error;
    byId('error').hidden = false;
  }
}

/** The figures of a run: title, value, and what explains it. */
export function figuresOf(run) {
  const count = test => run.jobs.filter(test).length;
  const fetched = count(job => job.status === 'Substituted');
  const notDone = count(job => !isDone(job));
  const all = `${span(run.seconds)} from start to end`;
  const path = run.criticalPath.reduce((sum, job) => sum + run.jobs[job].seconds, 0);
  return [
    ['Makespan', span(run.makespan), run.lowerBound ? `${(run.makespan / run.lowerBound).toFixed(2)} × the lower bound` : all],
    run.lowerBound && ['Lower bound', span(run.lowerBound), 'no schedule can beat it'],
    run.evaluationSeconds >= 1 && ['Evaluation', span(run.evaluationSeconds), `of ${all}`],
    ['Built', number(count(job => job.status === 'Built')),
      `of ${number(run.jobs.length)} derivations${fetched ? `, ${number(fetched)} fetched` : ''}`],
    notDone && ['Not there', number(notDone), `${number(count(hasFailed))} failed themselves`],
    ['Critical path', span(path), `${number(run.criticalPath.length)} builds, one after the other`],
    ['Sent to builders', bytes(run.suppliedBytes)],
  ].filter(Boolean);
}

export function showFigures(run) {
  for (const [title, value, more] of figuresOf(run)) {
    const explained = more ? [element('small', {}, more)] : [];
    byId('tiles').append(element('div', {}, element('dt', {}, title), element('dd', {}, value, ...explained)));
  }
}

export function showBuilders(run) {
  for (const builder of run.builders) {
    if (isSubstituters(builder)) continue;
    const figure = text => element('td', { class: 'n' }, text);
    const meter = element('span', { class: 'meter' }, element('i', { style: `width: ${100 * builder.utilisation}%` }));
    byId('builders').tBodies[0].append(element('tr', {},
      element('td', {}, builder.name),
      element('td', { class: 'wide dim' }, builder.systems.join(', ')),
      figure(number(builder.slots)),
      figure(number(builder.builds)),
      figure(span(builder.busySeconds)),
      figure(bytes(builder.suppliedBytes)),
      element('td', {}, meter, percent(builder.utilisation))));
  }
}

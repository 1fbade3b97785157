// The head of the page, its figures and the table of builders.
import { byId, element } from './dom.js';
import { bytes, counted, number, percent, span } from './format.js';
import { goesOn, hasFailed, isDone, isSubstituters, statusOf } from './run.js';

export function showHead(run) {
  document.title = `Run ${run.runId}`;
  byId('run').textContent = run.runId;
  byId('state').textContent = run.state;
  byId('state').className = `pill ${run.state}`;
  byId('asked').textContent = `${run.requested.join(', ')} · ${new Date(run.started).toLocaleString()}`;
  byId('error').textContent = run.error ?? '';
  byId('error').hidden = !run.error;
}

/** The figures of a run: title, value, and what explains it. */
export function figuresOf(run) {
  return goesOn(run) ? figuresSoFar(run) : figuresAtEnd(run);
}

function figuresSoFar(run) {
  const count = test => run.jobs.filter(test).length;
  const left = run.remainder ?? {};
  const toGo = left.seconds === undefined ? 'how long is not known' : `${left.isGuess ? 'guess:' : 'about'} ${span(left.seconds)} to go`;
  const failed = count(hasFailed);
  return [
    ['Elapsed', span(run.seconds), toGo],
    ['Done', number(count(isDone)), `of ${counted(run.jobs.length, 'derivation', 'derivations')}`],
    ['Running', number(count(job => statusOf(job) === 'Running')), `${number(count(job => statusOf(job) === 'Waiting'))} wait`],
    failed && ['Failed', number(failed)],
    left.pushing && ['To be pushed', number(left.pushing), 'outputs of derivations, to other stores'],
  ].filter(Boolean);
}

function figuresAtEnd(run) {
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
      `of ${counted(run.jobs.length, 'derivation', 'derivations')}${fetched ? `, ${number(fetched)} fetched` : ''}`],
    notDone && ['Not there', number(notDone), `${number(count(hasFailed))} failed themselves`],
    ['Critical path', span(path), `${counted(run.criticalPath.length, 'build', 'builds')}, one after the other`],
    ['Sent to builders', bytes(run.suppliedBytes)],
  ].filter(Boolean);
}

export function showFigures(run) {
  byId('tiles').replaceChildren(...figuresOf(run).map(([title, value, more]) => {
    const explained = more ? [element('small', {}, more)] : [];
    return element('div', {}, element('dt', {}, title), element('dd', {}, value, ...explained));
  }));
}

/** What the machine of a builder has now; nothing of a run that has ended. */
export function machineText({ now }) {
  if (!now) return '';
  return [
    now.load === undefined ? '' : `load ${now.load.toFixed(1)}${now.cores ? ` of ${now.cores}` : ''}`,
    now.otherBuilds ? `${counted(now.otherBuilds, 'build', 'builds')} of others` : '',
    now.memoryAvailable === undefined ? '' : `${bytes(now.memoryAvailable)} of memory free`,
  ].filter(Boolean).join(', ');
}

export function showBuilders(run) {
  byId('builders').tBodies[0].replaceChildren(...run.builders.filter(builder => !isSubstituters(builder)).map(builder => {
    const figure = text => element('td', { class: 'n' }, text);
    const meter = element('span', { class: 'meter' }, element('i', { style: `width: ${100 * builder.utilisation}%` }));
    return element('tr', {},
      element('td', {}, builder.name, element('small', {}, machineText(builder))),
      element('td', { class: 'wide dim' }, builder.systems.join(', ')),
      figure(number(builder.slots)),
      figure(number(builder.builds)),
      figure(span(builder.busySeconds)),
      figure(bytes(builder.suppliedBytes)),
      element('td', {}, meter, percent(builder.utilisation)));
  }));
}

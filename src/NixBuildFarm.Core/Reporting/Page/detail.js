// What an item of the timeline is, in a few lines beside the pointer and with all its facts below the timeline.
import { byId, element } from './dom.js';
import { bytes, firstOf, span } from './format.js';
import { builderOf, copyText, endOf, namesOf } from './run.js';

// What is shorter is not worth a line: it is how long a message takes.
const LeastWait = 0.05;

// Seconds; less is nothing.
const LeastSaved = 0.5;

/** The lines beside the pointer; the first is the name. */
export function linesOf(run, plan, item) {
  if (item.copy) {
    const { builder, seconds, bytes: size } = item.copy;
    return [copyText(run, item.copy), `back from ${run.builders[builder].name} in ${span(seconds)}, ${bytes(size)}`];
  }
  const job = run.jobs[item.index];
  if (item.attempt) {
    const what = item.attempt.gaveWay ? 'Hedged build that gave way' : 'Failed attempt';
    return [job.name, `${what} after ${span(item.attempt.seconds)}`, item.attempt.reason].filter(Boolean);
  }
  const expected = job.expectedSeconds ? `, expected ${span(job.expectedSeconds)}` : '';
  const sent = job.suppliedBytes ? `, ${bytes(job.suppliedBytes)}` : '';
  return [
    job.name,
    `${job.status} on ${builderOf(run, job)} in ${span(job.seconds)}${expected}`,
    item.start > item.from ? `inputs took ${span(item.start - item.from)}${sent}` : '',
    job.waited >= LeastWait ? `waited ${span(job.waited)}` : '',
    plan.critical.has(item.index) ? 'on the critical path' : '',
  ].filter(Boolean);
}

/** All facts of an item, each with its title; those that are empty are left out. */
export function factsOf(run, item) {
  return (item.copy ? copyFacts(run, item) : jobFacts(run, item)).filter(fact => fact[1]);
}

function copyFacts(run, item) {
  return [
    ['From', run.builders[item.copy.builder].name],
    ['Came', `from ${span(item.from)} to ${span(item.end)}, in ${span(item.copy.seconds)}`],
    ['Size', bytes(item.copy.bytes)],
    ['Outputs of', firstOf(namesOf(run, item.copy.jobs))],
  ];
}

function jobFacts(run, item) {
  const job = run.jobs[item.index];
  const expected = job.expectedSeconds ? ` (expected ${span(job.expectedSeconds)})` : '';
  const hadSupply = item.start > item.from && !item.attempt;
  return [
    ['Status', job.status],
    ['Builder', builderOf(run, job)],
    ['System', job.system],
    ['Built', job.start === undefined ? '' : `from ${span(job.start)} to ${span(endOf(job))}, in ${span(job.seconds)}${expected}`],
    ['Inputs', hadSupply ? `${span(item.start - item.from)} on their way, ${bytes(job.suppliedBytes)} sent` : ''],
    ['Waited', job.waited >= LeastWait ? `${span(job.waited)} from when it could have begun` : ''],
    ['Compiles', job.compiles ? compilesText(job.compiles) : ''],
    ['Cores', job.cores ? String(job.cores) : ''],
    ['Memory', job.peakMemory ? `${bytes(job.peakMemory)} at most` : ''],
    ['Processor time', job.processorSeconds ? span(job.processorSeconds) : ''],
    ['Outputs', job.outputBytes ? bytes(job.outputBytes) : ''],
    ...job.attempts.map(attempt => attemptFact(run, attempt)),
    ['Needs', firstOf(namesOf(run, job.dependencies))],
    ['Derivation', job.derivationPath],
    ['Log', job.logPath],
    ['Error', job.error],
  ];
}

function compilesText({ count, shared, reused, savedSeconds, builders }) {
  const places = builders.map(({ builder, count: own }) => `${builder} ${own}`).join(', ');
  const found = reused ? `; ${reused} had been done before` : '';
  return `${shared} of ${count} on other builders (${places})${found}${savedText(savedSeconds)}`;
}

/** Nothing where nothing was measured. */
function savedText(seconds) {
  if (!Number.isFinite(seconds)) return '';
  return seconds >= LeastSaved ? `; about ${span(seconds)} saved` : '; nothing saved';
}

function attemptFact(run, attempt) {
  const where = attempt.builder === undefined ? '' : `${builderOf(run, attempt)}: `;
  return [attempt.gaveWay ? 'Gave way' : 'Tried', `${where}${attempt.reason} (${span(attempt.seconds)})`];
}

/** Shows the facts of an item; of none, how to choose one. */
export function showDetail(run, item) {
  if (!item) {
    byId('detail').replaceChildren(element('p', { class: 'dim' }, 'Choose a build to see all about it.'));
    return;
  }
  const title = item.copy ? 'A copy back' : run.jobs[item.index].name;
  const list = element('dl', {}, ...factsOf(run, item).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
  byId('detail').replaceChildren(element('h3', {}, title), list);
}

/** Shows the lines of an item beside the pointer, within the window; of none, nothing. */
export function showTip(run, plan, item, x, y) {
  const tip = byId('tip');
  tip.hidden = !item;
  if (!item) return;
  const [name, ...lines] = linesOf(run, plan, item);
  tip.replaceChildren(element('b', {}, name), ...lines.map(line => element('div', {}, line)));
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18}px`;
}

// What an item of the timeline is, in a few lines beside the pointer and with all its facts below the timeline.
import { byId, element } from './dom.js';
import { bytes, firstOf, span } from './format.js';
import { builderOf, copyText, endOf, fragmentOf, namesOf, statusOf } from './run.js';

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
  const expected = job.expectedSeconds ? `, ${job.isGuess ? 'guessed' : 'expected'} ${span(job.expectedSeconds)}` : '';
  const sent = job.suppliedBytes ? `, ${bytes(job.suppliedBytes)}` : '';
  return [
    job.name,
    `${statusOf(job)} on ${builderOf(run, job)} in ${span(job.seconds)}${expected}`,
    item.start > item.from ? `inputs took ${span(item.start - item.from)}${sent}` : '',
    job.waited >= LeastWait ? `waited ${span(job.waited)}` : '',
    plan.critical.has(item.index) ? 'on the critical path' : '',
  ].filter(Boolean);
}

/** All facts of an item, each with its title, and with the derivations that it names; those that are empty are left out. */
export function factsOf(run, item) {
  return (item.copy ? copyFacts(run, item) : jobFacts(run, item)).filter(fact => fact[1]);
}

function copyFacts(run, item) {
  return [
    ['From', run.builders[item.copy.builder].name],
    ['Came', `from ${span(item.from)} to ${span(item.end)}, in ${span(item.copy.seconds)}`],
    ['Size', bytes(item.copy.bytes)],
    derivationsFact(run, 'Outputs of', item.copy.jobs),
  ];
}

function jobFacts(run, item) {
  const job = run.jobs[item.index];
  const expected = job.expectedSeconds ? ` (${job.isGuess ? 'guessed' : 'expected'} ${span(job.expectedSeconds)})` : '';
  const hadSupply = item.start > item.from && !item.attempt;
  return [
    ['Status', statusOf(job)],
    ['Phase', job.phase],
    ['Builder', builderOf(run, job)],
    ['System', job.system],
    ...(job.start === undefined ? [] : [spanFact(job, expected)]),
    ['Inputs', hadSupply ? `${span(item.start - item.from)} on their way, ${bytes(job.suppliedBytes)} sent` : ''],
    ['Waited', job.waited >= LeastWait ? `${span(job.waited)} from when it could have begun` : ''],
    ['Compiles', job.compiles ? compilesText(job.compiles) : ''],
    ['Cores', job.cores ? String(job.cores) : ''],
    ['Memory', job.peakMemory ? `${bytes(job.peakMemory)} at most` : ''],
    ['Processor time', job.processorSeconds ? span(job.processorSeconds) : ''],
    ['Outputs', job.outputBytes ? bytes(job.outputBytes) : ''],
    ...job.attempts.map(attempt => attemptFact(run, attempt)),
    derivationsFact(run, 'Needs', job.dependencies),
    derivationsFact(run, 'Needed by', [...run.jobs.keys()].filter(other => run.jobs[other].dependencies.includes(item.index))),
    ['Derivation', job.derivationPath],
    ['Log', job.logPath],
    ['To read it', job.logPath ? `Get-NixBuildLog ${quoted(job.name)} -Run ${quoted(run.runId)}` : ''],
    ['Error', job.error],
  ];
}

// A run that was recorded badly may refer to some that it does not have.
function derivationsFact(run, title, indexes) {
  return [title, firstOf(namesOf(run, indexes)), indexes.filter(index => run.jobs[index] !== undefined)];
}

// As PowerShell takes it for one word, whatever is in it.
const quoted = text => /^[\w.+-]+$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`;

function spanFact(job, expected) {
  return statusOf(job) === 'Running'
    ? ['Builds', `since ${span(job.start)}, for ${span(job.seconds)}${expected}`]
    : ['Built', `from ${span(job.start)} to ${span(endOf(job))}, in ${span(job.seconds)}${expected}`];
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

const LinksAtFirst = 12;

/** What is shown changes where its item has: a selection, the focus and lists that were opened stay when a run that goes on has news. */
export class Detail {
  constructor() {
    this.box = byId('detail');
    this.title = undefined;
  }

  /** Shows the facts of an item and the end of its log; of none, how to choose one. */
  show(run, item) {
    if (!item) {
      this.say('Choose a build to see all about it.');
      return;
    }
    const title = item.copy ? 'A copy back' : run.jobs[item.index].name;
    if (this.title !== title) this.begin(title);
    this.showFacts(run, factsOf(run, item));
    this.showLog(item.copy ? [] : run.jobs[item.index].logTail);
  }

  say(text) {
    this.title = undefined;
    if (this.box.textContent !== text) this.box.replaceChildren(element('p', { class: 'dim' }, text));
  }

  begin(title) {
    this.title = title;
    this.facts = new Map();
    this.list = element('dl');
    this.log = element('pre', { tabindex: '0', 'aria-label': `End of the log of ${title}` });
    this.box.replaceChildren(element('h3', { tabindex: '-1' }, title), this.list);
  }

  showFacts(run, facts) {
    const before = this.facts;
    this.facts = new Map();
    for (const fact of facts) {
      // An item has one fact of each title, but for its attempts.
      let key = fact[0];
      while (this.facts.has(key)) key += '+';
      this.facts.set(key, changed(run, before.get(key), fact));
    }
    for (const [key, { row }] of before) {
      if (!this.facts.has(key)) row.remove();
    }
    [...this.facts.values()].forEach(({ row }, place) => {
      const there = this.list.children[place] ?? null;
      if (there !== row) this.list.insertBefore(row, there);
    });
  }

  showLog(lines) {
    const text = lines.join('\n');
    if (this.log.textContent !== text) this.log.textContent = text;
    if (lines.length === 0) this.log.remove();
    else if (!this.log.isConnected) this.box.append(this.log);
  }

  /** Brings it into sight for whoever has followed a link. */
  reveal() {
    this.box.scrollIntoView({ block: 'nearest' });
    this.box.querySelector('h3')?.focus({ preventScroll: true });
  }
}

/** A fact in its row: the row that is there, with another value only where it has one. */
function changed(run, shown, fact) {
  const said = JSON.stringify(fact);
  if (shown?.said === said) return shown;
  const [name, value, indexes] = fact;
  const row = shown?.row ?? element('div', {}, element('dt', {}, name), element('dd'));
  row.lastChild.replaceChildren(...(indexes ? linksTo(run, indexes) : [value]));
  return { said, row };
}

/** Links to derivations with commas between, the rest behind a button where there are many. */
function linksTo(run, indexes) {
  const link = index => element('a', { href: fragmentOf(run.jobs[index]) }, run.jobs[index].name);
  const listed = some => some.flatMap((index, place) => place === 0 ? [link(index)] : [', ', link(index)]);
  const rest = indexes.slice(LinksAtFirst);
  if (rest.length === 0) return listed(indexes);
  const more = element('button', { type: 'button', onclick: () => more.replaceWith(', ', ...listed(rest)) }, `and ${rest.length} more`);
  return [...listed(indexes.slice(0, LinksAtFirst)), ' ', more];
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

// The page's modules without a browser: layout, view, load, table and figures are functions of a run.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bothOf, changesIn, comparisonColumns } from './Page/comparison.js';
import { columnsOf, matching } from './Page/derivations.js';
import { factsOf, linesOf } from './Page/detail.js';
import { bytes, firstOf, signedSpan, span, tickText } from './Page/format.js';
import {
  aboveOrBelow, AxisHeight, besideIn, firstAfter, furtherOnPath, HeadHeight, itemAt, kindsOf, laneTop, layout,
} from './Page/layout.js';
import { changesOf, loadOf, slotsOf } from './Page/load.js';
import { fragmentOf, indexOfFragment, statusOf } from './Page/run.js';
import { figuresOf } from './Page/summary.js';
import { sorted } from './Page/table.js';
import { View } from './Page/view.js';

const builder = (name, lanes = 1) => ({ name, kind: 'builder', systems: [], slots: lanes, lanes, builds: 1, utilisation: 0 });
const job = (name, start, seconds, more = {}) => ({
  name, system: 'x86_64-linux', status: 'Built', builder: 0, lane: 0, supplyStart: start, start, seconds, waited: 0,
  dependencies: [], attempts: [], logTail: [], derivationPath: `/nix/store/${name}.drv`, ...more,
});
const runOf = (jobs, more = {}) => ({
  builders: [builder('ruby', 2)], jobs, copies: [], copyLanes: 0, criticalPath: [], requested: [], ...more,
});
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

test('a build lies in its lane from the start of its supply to its end', () => {
  const plan = layout(runOf([job('a', 5, 10, { supplyStart: 3, lane: 1 })]));

  assert.deepEqual(plan.lanes.map(lanes => lanes.map(lane => lane.length)), [[0, 1]]);
  assert.deepEqual(plan.itemOf[0], { index: 0, from: 3, start: 5, end: 15, row: 0, lane: 1, kind: 'built' });
});

test('a supply that came to no build lasts from its start', () => {
  const { from, start, end } = layout(runOf([job('a', undefined, 2, { supplyStart: 3 })])).itemOf[0];

  assert.deepEqual([from, start, end], [3, 3, 5]);
});

test('each item has the kind that its colour stands for', () => {
  const attempt = more => ({ builder: 0, lane: 0, start: 20, seconds: 1, reason: 'gone', ...more });
  const run = runOf([
    job('failed', 0, 1, { status: 'TimedOut' }), job('fetched', 0, 1, { status: 'Substituted', builder: 1 }), job('critical', 1, 1),
    job('built', 3, 1, { supplyStart: 2.5, attempts: [attempt({}), attempt({ gaveWay: true, start: 30 })] }),
  ], {
    builders: [builder('ruby'), { ...builder('substituters'), kind: 'substituters' }], criticalPath: [0, 2],
    copies: [{ builder: 0, lane: 0, start: 4, seconds: 1, bytes: 5, jobs: [3] }], copyLanes: 1,
  });
  const plan = layout(run);

  assert.deepEqual(plan.itemOf.map(item => item.kind), ['failed', 'fetched', 'critical', 'built']);
  assert.deepEqual([...kindsOf(run, plan)].sort(), ['built', 'critical', 'failed', 'fetched', 'hedge', 'home', 'retry', 'supply']);
  const plain = runOf([job('a', 0, 1)]);
  assert.equal(kindsOf(plain, layout(plain)).size, 1);
});

test('what was not built has no item, nor has an attempt on a builder that the run does not have', () => {
  const attempts = [{ start: 0, seconds: 1, reason: 'gone' }];
  const plan = layout(runOf([job('a', undefined, 0, { status: 'DependencyFailed', builder: undefined, lane: undefined, attempts })]));

  assert.deepEqual(plan.items, []);
  assert.equal(plan.itemOf[0], undefined);
});

test('copies have a band of their own below the builders, and only where there are any', () => {
  const copies = [{ builder: 0, lane: 1, start: 4, seconds: 1, bytes: 5, jobs: [0] }];
  const plan = layout(runOf([job('a', 0, 1)], { copies, copyLanes: 2 }));

  assert.deepEqual(plan.bands.map(band => [band.name, band.lanes]), [['ruby', 2], ['Copies back', 2]]);
  assert.equal(plan.lanes[1][1][0].copy, copies[0]);
  assert.equal(layout(runOf([job('a', 0, 1)])).bands.length, 1);
});

test('no band covers another, and together they are as high as the whole', () => {
  const plan = layout(runOf([job('a', 0, 1)], { builders: [builder('ruby', 3), builder('kana', 1), builder('local', 2)] }));

  assert.equal(plan.rowTop[0], AxisHeight);
  plan.bands.forEach((band, row) => {
    const end = laneTop(plan, row, band.lanes - 1) + plan.laneHeight;
    assert.ok(end < (plan.rowTop[row + 1] ?? plan.height));
    assert.equal(laneTop(plan, row, 0), plan.rowTop[row] + HeadHeight);
  });
});

test('a larger farm has thinner lanes', () => {
  const heights = [1, 48, 49, 200, 201].map(lanes => layout(runOf([], { builders: [builder('ruby', lanes)] })).laneHeight);

  assert.deepEqual(heights, [20, 20, 12, 12, 7]);
});

test('the whole of the time is that of all items with a margin, and a run without any has some as well', () => {
  const { whole } = layout(runOf([job('a', 10, 20), job('b', 50, 60)]));
  near(whole.from, 9);
  near(whole.to, 111);

  const nothing = layout(runOf([])).whole;
  assert.ok(nothing.from < nothing.to);
});

test('items of a lane are in the order of time, in whatever order their derivations are', () => {
  const plan = layout(runOf([job('late', 20, 1), job('early', 0, 1), job('middle', 10, 1)]));

  assert.deepEqual(plan.lanes[0][0].map(item => item.index), [1, 2, 0]);
  assert.deepEqual([-1, 0.5, 1, 1.5, 12, 99].map(time => firstAfter(plan.lanes[0][0], time)), [0, 0, 0, 1, 2, 3]);
});

test('every item is found at its middle, and none where there is none', () => {
  const jobs = Array.from({ length: 200 }, (_, i) => job(`p${i}`, Math.floor(i / 8) * 5, 4, { builder: i % 4, lane: (i >> 2) % 2 }));
  const plan = layout(runOf(jobs, { builders: ['a', 'b', 'c', 'd'].map(name => builder(name, 2)) }));

  for (const item of plan.items) {
    const y = laneTop(plan, item.row, item.lane) + plan.laneHeight / 2;
    assert.equal(itemAt(plan, y, (item.start + item.end) / 2, 0.1), item);
    assert.equal(itemAt(plan, y, item.end + 0.5, 0.1), null);
    assert.equal(itemAt(plan, y, item.end + 0.05, 0.1), item);
  }
  assert.equal(itemAt(plan, plan.rowTop[1] + HeadHeight / 2, 2, 0.1), null);
  assert.equal(itemAt(plan, plan.height + 100, 2, 0.1), null);
  assert.equal(itemAt(layout(runOf([], { builders: [] })), 50, 0, 1), null);
});

test('steps go to the neighbours in a lane, to the same time in the next lane that has any, and along the critical path', () => {
  const jobs = [job('first', 0, 5), job('second', 10, 5), job('below', 9, 4, { builder: 2 }), job('under it', 20, 1, { builder: 2 })];
  const run = runOf(jobs, { builders: [builder('ruby'), builder('idle'), builder('kana')], criticalPath: [0, 3] });
  const plan = layout(run);
  const [first, second, below, under] = plan.itemOf;

  assert.equal(besideIn(plan, null, 1), first);
  assert.equal(besideIn(plan, first, 1), second);
  assert.equal(besideIn(plan, second, -1), first);
  assert.equal(besideIn(plan, second, 1), undefined);
  assert.equal(aboveOrBelow(plan, second, 1), below);
  assert.equal(aboveOrBelow(plan, under, -1), second);
  assert.equal(aboveOrBelow(plan, first, -1), undefined);
  assert.equal(furtherOnPath(run, plan, null, 1), first);
  assert.equal(furtherOnPath(run, plan, first, 1), under);
  assert.equal(furtherOnPath(run, plan, under, 1), first);
  assert.equal(furtherOnPath(runOf([]), layout(runOf([])), null, 1), undefined);
});

test('a view zooms about a moment, moves within the whole, and comes back', () => {
  let changes = 0;
  const view = new View({ from: 0, to: 100 }, () => changes++);
  view.width = 1000;

  view.zoom(0.5, 20);
  assert.deepEqual([view.from, view.to], [10, 60]);
  near(view.toX(20), 200);
  near(view.toTime(200), 20);
  view.move(-30);
  assert.deepEqual([view.from, view.to], [0, 50]);
  view.move(1000);
  assert.deepEqual([view.from, view.to], [50, 100]);
  view.zoom(1e-9);
  near(view.length, 0.02);
  view.zoom(1e9);
  assert.deepEqual([view.from, view.to], [0, 100]);
  assert.equal(changes, 5);
});

test('a view moves to an item that is out of sight, and stays where one is in sight', () => {
  const view = new View({ from: 0, to: 100 });
  view.show(0, 20);
  view.bringIntoView({ from: 5, end: 9 });
  assert.deepEqual([view.from, view.to], [0, 20]);
  view.bringIntoView({ from: 60, end: 64 });
  assert.deepEqual([view.from, view.to], [52, 72]);
});

test('ticks are round, within the view, and as many as have room', () => {
  const view = new View({ from: -1, to: 95 });
  view.width = 1000;

  assert.deepEqual(view.ticks(), { times: [0, 15, 30, 45, 60, 75, 90].map(time => time || -0), step: 15 });
  for (const [length, width] of [[0.02, 300], [3, 1400], [1e5, 360], [1e7, 1400]]) {
    const other = new View({ from: 17, to: 17 + length });
    other.width = width;
    const { times, step } = other.ticks();
    assert.ok(times.length >= 1 && times.every(time => time >= 17 && time <= 17 + length), `${length} s: ${times}`);
    assert.ok(step === 86400 || times.length <= Math.max(2, width / 110) + 1);
  }
});

test('the load is the mean number of builds at work, fetches, tries and copies left out', () => {
  const attempts = [{ builder: 0, lane: 1, start: 0, seconds: 100, reason: 'gone' }];
  const jobs = [job('a', 0, 4), job('b', 2, 4, { lane: 1, attempts }), job('fetched', 0, 9, { builder: 1, status: 'Substituted' })];
  const run = runOf(jobs, { builders: [builder('ruby', 2), { ...builder('substituters', 9), kind: 'substituters' }] });
  const changes = changesOf(run, layout(run));

  assert.deepEqual(changes, [[0, 1], [2, 1], [4, -1], [6, -1]]);
  assert.equal(slotsOf(run), 2);
  assert.deepEqual([...loadOf(changes, { from: 0, to: 8 }, 8)].slice(0, 8), [1, 1, 2, 2, 1, 1, 0, 0]);
  assert.deepEqual([...loadOf(changes, { from: 3, to: 5 }, 1)].slice(0, 1), [1.5]);
});

test('derivations are found by all words in name, builder or system, and by status', () => {
  const run = runOf([job('libc-2.40', 0, 1), job('libc-static', 0, 1, { status: 'Failed' }), job('zlib', 0, 1)]);

  assert.deepEqual(matching(run, ' RUBY  libc ', ''), [0, 1]);
  assert.deepEqual(matching(run, 'libc', 'Failed'), [1]);
  assert.deepEqual(matching(run, '', ''), [0, 1, 2]);
});

test('numbers in names are sorted as numbers, equal ones stay in order, and what has no value comes last both ways', () => {
  const run = runOf([job('p-10', 3, 1), job('p-9', undefined, 1), job('p-1', 1, 1), job('P-1', 3, 1)]);
  const [name, start] = ['Name', 'Start'].map(title => columnsOf(() => run).find(column => column.title === title));

  assert.deepEqual(sorted(run.jobs, [0, 1, 2, 3], name, false), [2, 3, 1, 0]);
  assert.deepEqual(sorted(run.jobs, [0, 1, 2, 3], start, false), [2, 0, 3, 1]);
  assert.deepEqual(sorted(run.jobs, [0, 1, 2, 3], start, true), [0, 3, 2, 1]);
});

test('figures count what was built, what is not there and what failed itself', () => {
  const jobs = [job('a', 0, 60), job('b', 60, 30), job('c', 0, 1, { status: 'Failed' }), job('d', 0, 0, { status: 'DependencyFailed' }),
    job('e', 0, 1, { status: 'Substituted' }), job('f', 0, 0, { status: 'AlreadyValid' })];
  const figures = figuresOf(runOf(jobs, { makespan: 90, seconds: 95, evaluationSeconds: 0, suppliedBytes: 2048, criticalPath: [0, 1] }));

  assert.deepEqual(figures, [
    ['Makespan', '1 m 30 s', '1 m 35 s from start to end'], ['Built', '2', 'of 6 derivations, 1 fetched'],
    ['Not there', '2', '1 failed themselves'],
    ['Critical path', '1 m 30 s', '2 builds, one after the other'], ['Sent to builders', '2.0 KiB'],
  ]);
});

test('what a build is said to be leaves out what is not known, and a dependency that is no derivation', () => {
  const run = runOf([job('a', 5, 10, { dependencies: [7, 1] }), job('b', 0, 1)]);
  const plan = layout(run);

  assert.deepEqual(linesOf(run, plan, plan.itemOf[0]), ['a', 'Built on ruby in 10 s']);
  assert.deepEqual(factsOf(run, plan.itemOf[0]), [
    ['Status', 'Built'], ['Builder', 'ruby'], ['System', 'x86_64-linux'], ['Built', 'from 5.0 s to 15 s, in 10 s'], ['Needs', 'b', [1]],
    ['Derivation', '/nix/store/a.drv'],
  ]);
});

test('the facts of a build have what memory and processor time it took, where that was seen', () => {
  const run = runOf([job('a', 5, 10, { peakMemory: 3 * 1024 ** 3, processorSeconds: 95 })]);
  const facts = factsOf(run, layout(run).itemOf[0]);

  assert.deepEqual(facts.filter(([name]) => ['Memory', 'Processor time'].includes(name)), [
    ['Memory', '3.0 GiB at most'], ['Processor time', '1 m 35 s'],
  ]);
});

test('a build that goes on, and what waits for it, have a status and a kind of their own', () => {
  const next = job('next', undefined, 0, { status: undefined, builder: undefined });
  const jobs = [job('on', 0, 5, { status: undefined }), next];
  const run = runOf(jobs, { state: 'Running', seconds: 5, remainder: { seconds: 30, isGuess: true, pushing: 2 } });

  assert.deepEqual(jobs.map(statusOf), ['Running', 'Waiting']);
  assert.equal(layout(run).itemOf[0].kind, 'running');
  assert.deepEqual(matching(run, '', 'Waiting'), [1]);
  assert.deepEqual(figuresOf(run), [
    ['Elapsed', '5.0 s', 'guess: 30 s to go'], ['Done', '0', 'of 2 derivations'], ['Running', '1', '1 wait'],
    ['To be pushed', '2', 'outputs of derivations, to other stores'],
  ]);
});

test('a view that sees all of a run that goes on sees all of it later, and one that sees a part keeps that', () => {
  const view = new View({ from: 0, to: 100 });
  view.extend({ from: 0, to: 200 });
  assert.deepEqual([view.from, view.to], [0, 200]);
  view.show(20, 30);
  view.extend({ from: 0, to: 300 });
  assert.deepEqual([view.from, view.to], [20, 30]);
});

test('a fragment opens the derivation that it was made of, and no other fragment opens any', () => {
  const run = runOf([job('a', 0, 1), job('b?=%2F <c>', 0, 1), job('__proto__', 0, 1)]);

  for (const [index, one] of run.jobs.entries()) assert.equal(indexOfFragment(run, fragmentOf(one)), index);
  assert.match(fragmentOf(run.jobs[1]), /^#drv-[\w%.-]+$/);
  const others = ['', '#', '#drv-', '#drv-c', '#a', '#drv-%', '#drv-%ff', 'drv-a'];
  assert.deepEqual(others.filter(other => indexOfFragment(run, other) !== undefined), []);
});

test('facts name the derivations that need one, and the command that shows its log is safe to paste', () => {
  const run = runOf([
    job('a', 0, 1, { logPath: '/log' }), job('b', 1, 1, { dependencies: [0] }),
    job("it's $(x)", 1, 1, { dependencies: [0], logPath: '/log' }),
  ], { runId: '20260301-140522-7c1e' });
  const factOf = (index, name) => factsOf(run, layout(run).itemOf[index] ?? { index }).find(([title]) => title === name);

  assert.deepEqual(factOf(0, 'Needed by'), ['Needed by', "b, it's $(x)", [1, 2]]);
  assert.equal(factOf(0, 'To read it')[1], 'Get-NixBuildLog a -Run 20260301-140522-7c1e');
  assert.equal(factOf(2, 'To read it')[1], "Get-NixBuildLog 'it''s $(x)' -Run 20260301-140522-7c1e");
});

test('a comparison counts its changes, the ones that a reader looks for first, and has both figures where there are any', () => {
  const one = (name, change, more) => ({ name, change, ...more });
  const comparedTo = { makespan: 60, seconds: 70, derivations: [one('a', 'New'), one('b', 'Slower'), one('c', 'New'), one('d', 'Failed')] };
  const run = runOf([], { makespan: 45.5, seconds: 71, lowerBound: undefined, comparedTo });

  assert.deepEqual(changesIn(comparedTo), [['Slower', 1], ['Failed', 1], ['New', 2]]);
  assert.deepEqual(bothOf(run), [['Makespan', '1 m 00 s', '46 s', '−15 s'], ['From start to end', '1 m 10 s', '1 m 11 s', '+1.0 s']]);
});

test('a comparison is sorted by what differs, and says in place of a duration how what was not built has ended', () => {
  const items = [
    { name: 'a', change: 'Faster', seconds: 2, secondsThen: 9, difference: -7, status: 'Built', statusThen: 'Built' },
    { name: 'b', change: 'NotBuilt', status: 'Substituted', statusThen: 'Built', secondsThen: 3 },
    { name: 'c', change: 'Slower', seconds: 9, secondsThen: 2, difference: 7, status: 'Built', statusThen: 'Built' },
  ];
  const column = title => comparisonColumns().find(one => one.title === title);

  assert.deepEqual(sorted(items, [0, 1, 2], column('Difference'), true), [2, 0, 1]);
  const now = column('Now');
  assert.deepEqual(items.map(one => now.text(now.value(one), one)), ['2.0 s', 'Substituted', '9.0 s']);
});

test('a difference has its sign', () => {
  assert.deepEqual([undefined, 0, 0.04, 1.5, -75].map(signedSpan), ['', '0.0 s', '0.0 s', '+1.5 s', '−1 m 15 s']);
});

test('durations, sizes and lists are short', () => {
  const seconds = [undefined, 0, 9.94, 9.95, 59.6, 3599.6, 7325];
  assert.deepEqual(seconds.map(span), ['', '0.0 s', '9.9 s', '10 s', '1 m 00 s', '1 h 00 m', '2 h 02 m']);
  const sizes = [0, 1023, 1024, 1048575, 3 * 1024 ** 4, 5000 * 1024 ** 4];
  assert.deepEqual(sizes.map(bytes), ['0 B', '1023 B', '1.0 KiB', '1.0 MiB', '3.0 TiB', '5000.0 TiB']);
  assert.equal(firstOf(['a', 'b', 'c'], 2), 'a, b and 1 more');
  const ticks = [[0.05, 0.05], [0.5, 0.5], [30, 5], [60, 60], [75, 15], [3600, 3600], [5400, 1800]];
  assert.deepEqual(ticks.map(tick => tickText(...tick)), ['0.05 s', '0.5 s', '30 s', '1 m', '1 m 15 s', '1 h', '1 h 30 m']);
});

test('every module can be joined: imports are one line each, and of names that the other module exports', () => {
  const folder = new URL('./Page/', import.meta.url);
  const modules = readdirSync(folder).filter(name => name.endsWith('.js'));
  assert.ok(modules.includes('main.js'));
  for (const name of modules) {
    for (const line of readFileSync(new URL(name, folder), 'utf8').split('\n').filter(text => text.startsWith('import '))) {
      const [, names, from] = line.match(/^import \{ ([\w, ]+) \} from '\.\/(\w+\.js)';$/) ?? assert.fail(`${name}: ${line}`);
      const other = readFileSync(new URL(from, folder), 'utf8');
      for (const one of names.split(', ')) {
        assert.match(other, new RegExp(`^export (const|(async )?function|class) ${one}\\b`, 'm'), `${name}: ${one}`);
      }
    }
  }
});

// The report as its readers meet it: in Chromium, from a file, without a network.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { linesOf } from './Page/detail.js';
import { itemAt, laneTop, layout } from './Page/layout.js';
import { View } from './Page/view.js';

const samples = process.env.REPORT_SAMPLES;

// What has not come to pass after so many looks, a quarter of an hour, never will: no test says how fast a thing is.
const Looks = 18_000;
const Pause = 50;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
});
after(() => browser.close());

async function open(name, options = {}, fragment = '') {
  const page = await browser.newPage({ viewport: { width: 1300, height: 900 }, ...options });
  const troubles = [];
  page.on('pageerror', error => troubles.push(error.message));
  page.on('console', message => { if (message.type() === 'error') troubles.push(message.text()); });
  page.on('request', request => { if (!request.url().startsWith('file:')) troubles.push(`asked for ${request.url()}`); });
  await page.goto(pathToFileURL(`${samples}/${name}.html`).href + fragment);
  return { page, troubles };
}
const text = (page, selector) => page.locator(selector).innerText();
// Playwright's own waiting needs eval, which the page's policy forbids.
async function until(page, condition, argument) {
  for (let i = 0; i < Looks; i++) {
    if (await page.evaluate(condition, argument)) return;
    await page.waitForTimeout(Pause);
  }
  assert.fail(`It did not come to pass: ${condition}`);
}

// The run of a page, its layout, and a view that a test moves as it moves the page's.
async function sceneOf(page) {
  const run = JSON.parse(await page.locator('#data').textContent());
  const plan = layout(run);
  const view = new View(plan.whole);
  const box = await page.locator('#gantt-canvas').boundingBox();
  view.width = box.width;
  return { page, run, plan, view, box };
}
async function placeOf({ page, plan, view, box }, item) {
  const top = await page.locator('#gantt').evaluate(gantt => gantt.scrollTop);
  return { x: box.x + view.toX((item.start + item.end) / 2), y: box.y + laneTop(plan, item.row, item.lane) - top + plan.laneHeight / 2 };
}
// What the page says of places all over the timeline is what the view of the test has there.
async function seesTheSame(scene) {
  const { page, run, plan, view, box } = scene;
  let seen = 0;
  for (let place = 0; place < 9; place++) {
    const [x, y] = [view.width * (0.1 + place * 0.1), laneTop(plan, place % 3, place % 4) + plan.laneHeight / 2];
    const item = itemAt(plan, y, view.toTime(x), view.seconds(2));
    if (!item) continue;
    seen++;
    await tells(page, box.x + x, box.y + y, linesOf(run, plan, item)[0]);
  }
  assert.ok(seen > 4);
}
async function tells(page, x, y, name) {
  for (let i = 0; i < Looks; i++) {
    await page.mouse.move(0, 0);
    await page.mouse.move(x, y);
    if (await page.locator('#tip').isVisible() && (await text(page, '#tip')).split('\n')[0] === name) return;
    await page.waitForTimeout(Pause);
  }
  assert.fail(`At ${x}, ${y} there is not ${name} but ${await page.locator('#tip').textContent()}.`);
}
const rows = page => page.locator('#body tr:not([aria-hidden])');
const names = page => page.locator('#body a').allInnerTexts();
const pixels = page => page.locator('#gantt-canvas').evaluate(canvas => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colours.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
  return [...colours];
});
const rgb = (page, name) => page.evaluate(variable => {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(variable).trim().slice(1);
  return [0, 2, 4].map(i => parseInt(hex.slice(i, i + 2), 16)).join(',');
}, `--${name}`);

for (const name of ['mixed', 'hostile', 'nothing', 'compared', 'thousand', 'twenty-thousand']) {
  test(`${name}: opens without an error and asks for nothing`, async () => {
    const { page, troubles } = await open(name);
    assert.match(await page.title(), /^Run 20260301-140522/);
    assert.deepEqual(troubles, []);
    await page.close();
  });
}

test('names, errors and logs are text, whatever is in them', async () => {
  const { page, troubles } = await open('hostile');
  assert.equal(await page.title(), 'Run 20260301-140522-<b>7c1e');
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.locator('script').count(), 2);
  assert.match(await text(page, '#error'), /^<\/script><script>/);
  assert.match(await text(page, '#asked'), /\/\*DATA\*\/, \/\*SCRIPT\*\//);
  assert.match(await text(page, '#failure-list pre'), /<!--<script>/);
  await page.locator('#body a').first().click();
  assert.match(await text(page, '#detail'), /onerror=/);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('everything that a run can have is drawn, each in its colour', async () => {
  const { page } = await open('mixed');
  const drawn = await pixels(page);
  for (const kind of ['built', 'critical', 'failed', 'supply', 'retry', 'hedge', 'fetched', 'home']) {
    assert.ok(drawn.includes(await rgb(page, kind)), kind);
  }
  assert.equal(await page.locator('#legend li').count(), 9);
  await page.close();
});

test('compiles on other builders are a band at the lower edge of their build, and nowhere else', async () => {
  const { page } = await open('mixed');
  const scene = await sceneOf(page);
  const { plan, view, run } = scene;
  const item = plan.itemOf[run.jobs.findIndex(job => job.name === 'openssl-3.4')];
  assert.match(await text(page, '#legend'), /Compiles on other builders/);
  const dotAt = (time, part) => page.locator('#gantt-canvas').evaluate((canvas, [x, y]) =>
    [...canvas.getContext('2d').getImageData(Math.round(x), Math.round(y), 1, 1).data].slice(0, 3).join(','),
  [view.toX(time), laneTop(plan, item.row, item.lane) + plan.laneHeight * part]);
  const [shared, after] = [run.jobs[item.index].compiles.elsewhere[1], 0.9];
  const build = await dotAt(shared.start + 7.5, 0.8);
  assert.equal(await rgb(page, 'critical'), build);
  assert.notEqual(await dotAt(shared.start + shared.seconds / 2, 0.8), build);
  assert.equal(await dotAt(shared.start + shared.seconds + after, 0.8), build);
  const place = await placeOf(scene, item);
  await page.mouse.click(place.x, place.y);
  assert.match(await text(page, '#detail'), /Compiles\s+30 of 90 on other builders \(kana 30\); about 12 s saved/);
  await page.close();
});

for (const width of [390, 1280]) {
  test(`at ${width} pixels a link opens a derivation, leads on to what it needs, and the browser goes back and forth`, async () => {
    const { page, troubles } = await open('mixed', { viewport: { width, height: 800 } });
    const opened = () => text(page, '#detail h3');
    const isInSight = () => page.locator('#detail h3').evaluate(title => {
      const { top, bottom } = title.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    });
    await page.locator('#body a', { hasText: 'openssl-3.4' }).click();
    assert.equal(await opened(), 'openssl-3.4');
    assert.ok(await isInSight());
    assert.match(page.url(), /#drv-0{32}-openssl-3\.4$/);
    await page.locator('#detail a', { hasText: 'zlib-1.3.1' }).click();
    assert.equal(await opened(), 'zlib-1.3.1');
    assert.match(await text(page, '#detail'), /Tried\s+kana: kana does not answer any more\./);
    assert.match(await text(page, '#detail'), /Needed by\s+openssl-3\.4/);
    await page.goBack();
    await until(page, () => document.querySelector('#detail h3')?.innerText === 'openssl-3.4');
    await page.goForward();
    await until(page, () => document.querySelector('#detail h3')?.innerText === 'zlib-1.3.1');
    await page.goBack();
    await page.goBack();
    await until(page, () => document.querySelector('#detail h3') === null);

    const { page: shared } = await open('mixed', { viewport: { width, height: 800 } }, '#drv-00000000000000000000000000000000-bad-1.0');
    assert.equal(await text(shared, '#detail h3'), 'bad-1.0');
    assert.match(await text(shared, '#detail pre'), /bad\.c:3: error: expected ';'/);
    assert.deepEqual(troubles, []);
    await shared.close();
    await page.close();
  });
}

test('what is chosen in the timeline is in the address, and does not fill the history', async () => {
  const { page } = await open('mixed');
  const before = await page.evaluate(() => history.length);
  await page.locator('#gantt-canvas').focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press('c');
  assert.match(page.url(), /#drv-0{32}-zlib-1\.3\.1$/);
  assert.equal(await page.evaluate(() => history.length), before);
  await page.keyboard.press('Escape');
  assert.doesNotMatch(page.url(), /#drv/);
  await page.close();
});

test('an address that names a derivation of another run says so', async () => {
  const { page, troubles } = await open('mixed', {}, '#drv-nothing');
  assert.match(await text(page, '#detail'), /This run does not have the derivation/);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('two runs side by side: what got slower comes first, each change has its word, and names lead to their derivations', async () => {
  const { page, troubles } = await open('compared');
  const lines = () => page.locator('#changes tbody tr').evaluateAll(rows => rows.map(row => [...row.cells].map(cell => cell.innerText)));
  assert.match(await text(page, '#comparison-title'), /20260228-090000-aaaa/);
  assert.match(await text(page, '#compared-run'), /^1 slower, 1 failed, 1 faster, 1 mended, 1 new, 1 gone, 1 alike\./);
  assert.match(await text(page, '#both'), /Makespan\s+55 s\s+1 m 05 s\s+\+10 s/);
  assert.deepEqual(await lines(), [
    ['libc-2.40', 'slower', '30 s', '45 s', '+15 s', 'ruby', 'kana'], ['expat-2.6', 'alike', '5.0 s', '5.1 s', '+0.1 s', 'kana', 'kana'],
    ['zlib-1.3.1', 'faster', '20 s', '12 s', '−8.0 s', 'ruby', 'ruby'], ['fresh-1.0', 'new', '', '4.0 s', '', '', 'ruby'],
    ['sound-1.0', 'failed', '3.0 s', '3.0 s', '', 'ruby', 'kana'], ['flaky-1.0', 'mended', '3.0 s', '2.0 s', '', 'kana', 'ruby'],
    ['old-1.0', 'gone', '4.0 s', '', '', 'ruby', ''],
  ]);
  await page.locator('#change').selectOption('Failed');
  assert.deepEqual((await lines()).map(([name]) => name), ['sound-1.0']);
  await page.locator('#changes a').click();
  assert.equal(await text(page, '#detail h3'), 'sound-1.0');
  await page.locator('#change').selectOption('Gone');
  assert.equal(await page.locator('#changes a').count(), 0);
  await page.locator('#change').selectOption('');
  await page.locator('#changes').getByRole('button', { name: 'Name' }).click();
  assert.deepEqual((await lines()).map(([name]) => name).slice(0, 2), ['expat-2.6', 'flaky-1.0']);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('the comparison fits a phone, and a run that is compared to none has no such part', async () => {
  const { page } = await open('compared', { viewport: { width: 390, height: 800 } });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  assert.ok(await page.locator('#changes').evaluate(box => box.scrollWidth <= box.clientWidth));
  assert.match(await page.locator('#changes tbody tr').first().innerText(), /libc-2\.40\s+slower\s+\+15 s/);
  await page.close();
  const alone = await open('mixed');
  assert.ok(!await alone.page.locator('#comparison').isVisible());
  await alone.page.close();
});

test('the critical path is the chain that ended last', async () => {
  const { page } = await open('mixed');
  await page.locator('#gantt-canvas').focus();
  const walked = [];
  for (let i = 0; i < 5; i++) {
    await page.keyboard.press('c');
    walked.push(await text(page, '#detail h3'));
  }
  assert.deepEqual(walked, ['source-2.1', 'libc-2.40', 'zlib-1.3.1', 'openssl-3.4', 'curl-8.9']);
  await page.close();
});

test('pointing at a build says what it is, a click shows all', async () => {
  const { page } = await open('mixed');
  const scene = await sceneOf(page);
  const place = await placeOf(scene, scene.plan.itemOf[1]);
  await page.mouse.move(place.x, place.y);
  assert.deepEqual((await text(page, '#tip')).split('\n'), [
    'libc-2.40', 'Built on ruby in 31 s, expected 28 s', 'inputs took 1.7 s, 58.2 MiB', 'waited 1.8 s', 'on the critical path',
  ]);
  await page.mouse.click(place.x, place.y);
  assert.match(await text(page, '#detail'), /Derivation\s+\/nix\/store\/0+-libc-2\.40\.drv/);
  const retried = await placeOf(scene, scene.plan.itemOf[2]);
  await page.mouse.click(retried.x, retried.y);
  assert.match(await text(page, '#detail'), /Tried\s+kana: kana does not answer any more\./);
  await page.close();
});

test('what came home together is one bar, below the builders, that says whose outputs it is', async () => {
  const { page } = await open('mixed');
  const scene = await sceneOf(page);
  const place = await placeOf(scene, scene.plan.items.find(item => item.copy === scene.run.copies[0]));
  assert.ok(place.y > (await placeOf(scene, scene.plan.itemOf[0])).y);
  await page.mouse.move(place.x, place.y);
  assert.match(await text(page, '#tip'), /libc-2\.40\s+back from ruby in 6\.5 s, 29\.6 MiB/);
  await page.mouse.click(place.x, place.y);
  assert.match(await text(page, '#detail'), /A copy back[^]*ruby[^]*from 37 s to 44 s[^]*libc-2\.40/);
  await page.close();

  const crowd = await open('thousand');
  const { copies } = (await sceneOf(crowd.page)).run;
  assert.ok(copies.some(copy => copy.jobs.length > 1));
  assert.equal(new Set(copies.flatMap(copy => copy.jobs)).size, copies.reduce((sum, copy) => sum + copy.jobs.length, 0));
  await crowd.page.close();
});

test('the timeline zooms and moves by buttons, wheel, mouse and keys, and comes back', async () => {
  const { page } = await open('thousand');
  const scene = await sceneOf(page);
  const { view, box } = scene;
  await seesTheSame(scene);
  await page.locator('#in').click();
  view.zoom(0.5);
  await seesTheSame(scene);
  await page.mouse.move(box.x + 300, box.y + 100);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -60);
  await page.keyboard.up('Control');
  view.zoom(Math.exp(-60 / 150), view.toTime(300));
  await seesTheSame(scene);
  await page.mouse.move(box.x + 300, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + 200, box.y + 100, { steps: 4 });
  await page.mouse.up();
  view.move(view.seconds(100));
  await seesTheSame(scene);
  await page.locator('#gantt-canvas').focus();
  await page.keyboard.press('-');
  view.zoom(2);
  await seesTheSame(scene);
  await page.keyboard.press('0');
  view.fit();
  await seesTheSame(scene);
  await page.close();
});

test('all of it is reached with the keyboard alone', async () => {
  const { page } = await open('mixed');
  const reached = [];
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id));
  }
  for (const id of ['theme', 'critical', 'waits', 'in', 'out', 'fit', 'gantt-canvas', 'filter', 'status']) {
    assert.ok(reached.includes(id), `${id} in ${reached}`);
  }
  await page.locator('#gantt-canvas').focus();
  await page.keyboard.press('ArrowRight');
  const first = await text(page, '#detail h3');
  await page.keyboard.press('ArrowDown');
  assert.notEqual(await text(page, '#detail h3'), first);
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.innerText), await text(page, '#detail h3'));
  await page.close();
});

test('the table sorts by each column, up and down, and what has no value comes last', async () => {
  const { page } = await open('mixed');
  await page.getByRole('button', { name: 'Duration' }).click();
  assert.equal((await names(page))[0], 'openssl-3.4');
  assert.equal((await names(page)).at(-1), 'app-7.2');
  await page.getByRole('button', { name: 'Duration' }).click();
  assert.equal((await names(page))[0], 'source-2.1');
  assert.equal((await names(page)).at(-1), 'app-7.2');
  await page.getByRole('button', { name: 'Name' }).click();
  assert.deepEqual(await names(page), [...await names(page)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })));
  assert.equal(await page.locator('th[aria-sort="ascending"]').innerText(), 'Name ↑');
  await page.close();
});

test('the table is filtered by words and by status', async () => {
  const { page } = await open('mixed');
  await page.locator('#filter').fill('ruby libc');
  assert.deepEqual(await names(page), ['libc-2.40']);
  assert.equal(await text(page, '#count'), '1 of 8');
  await page.locator('#filter').fill('');
  await page.locator('#status').selectOption('Failed');
  assert.deepEqual(await names(page), ['bad-1.0']);
  await page.close();
});

test('a failure shows its error and the end of its log', async () => {
  const { page } = await open('mixed');
  const shown = /bad-1\.0 Failed on kana\s+builder failed with exit code 2\s+compiling\s+bad\.c:3: error: expected ';'/;
  assert.match(await text(page, '#failures'), shown);
  assert.match(await text(page, '#failures'), /1 derivation needs it directly/);
  await page.close();
});

test('it follows the system from light to dark, and the reader may choose', async () => {
  const { page } = await open('mixed', { colorScheme: 'dark' });
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await back();
  await page.emulateMedia({ colorScheme: 'light' });
  await until(page, was => getComputedStyle(document.body).backgroundColor !== was, dark);
  await page.locator('#theme').click();
  assert.equal(await back(), dark);
  await page.close();
});

test('on a phone the names have most of the table, and a failure is seen by its colour', async () => {
  const { page } = await open('mixed', { viewport: { width: 360, height: 740 } });
  const [table, name] = await page.evaluate(() =>
    ['.rows table', '.rows td.name'].map(selector => document.querySelector(selector).getBoundingClientRect().width));
  assert.ok(name > table * 0.6, `${name} of ${table}`);
  const colours = await page.evaluate(() => [...document.querySelectorAll('.rows tr[data-status]')].map(row =>
    [row.dataset.status, getComputedStyle(row.querySelector('td.name')).color]));
  const failed = new Set(colours.filter(([status]) => status === 'Failed').map(([, colour]) => colour));
  const built = new Set(colours.filter(([status]) => status === 'Built').map(([, colour]) => colour));
  assert.equal(failed.size, 1);
  assert.ok(!built.has([...failed][0]));
  await page.close();
});

test('nothing is wider than a narrow window', async () => {
  const { page } = await open('mixed', { viewport: { width: 380, height: 800 } });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  const sections = await page.locator('section:visible').evaluateAll(all => all.map(section => section.getBoundingClientRect().right));
  assert.ok(Math.max(...sections) <= 380);
  await page.close();
});

for (const width of [360, 420, 520, 521, 720, 721, 860, 1000, 1001, 1100, 1240, 1241, 1500]) {
  test(`at ${width} pixels the table has its names, and no column is out of sight`, async () => {
    const { page } = await open('thousand', { viewport: { width, height: 800 } });
    const names = await page.locator('#body td:first-child')
      .evaluateAll(cells => cells.filter(cell => !cell.colSpan || cell.colSpan === 1).map(cell => cell.clientWidth));
    assert.ok(names.length > 10);
    assert.ok(Math.min(...names) >= 130, `${Math.min(...names)}`);
    assert.ok(await page.locator('#rows').evaluate(box => box.scrollWidth <= box.clientWidth));
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.close();
  });
}

test('20,000 derivations: only what is in sight is in the page, and the last row is reached', async () => {
  const { page } = await open('twenty-thousand');
  assert.ok(await rows(page).count() < 80);
  await page.getByRole('button', { name: 'Name' }).click();
  await page.locator('#rows').evaluate(box => { box.scrollTop = box.scrollHeight; });
  await until(page, () => document.querySelector('#body').innerText.includes('package-19999-'));
  assert.ok(await rows(page).count() < 80);
  await page.locator('#filter').fill('package-12345-');
  assert.equal(await text(page, '#count'), '1 of 20,000');
  const scene = await sceneOf(page);
  for (let i = 0; i < 6; i++) {
    await page.locator('#in').click();
    scene.view.zoom(0.5);
  }
  const item = scene.plan.itemOf[12345];
  assert.ok(item.from > scene.view.to || item.end < scene.view.from);
  await page.locator('#body a').click();
  scene.view.bringIntoView(item);
  await page.locator('#gantt').scrollIntoViewIfNeeded();
  scene.box = await page.locator('#gantt-canvas').boundingBox();
  const place = await placeOf(scene, item);
  assert.ok(place.y > scene.box.y && place.y < scene.box.y + scene.box.height);
  await tells(page, place.x, place.y, scene.run.jobs[12345].name);
  await page.close();
});

test('the JSON is what the page has, and the trace has a span for each of its bars', async () => {
  const { page } = await open('mixed');
  const json = JSON.parse(readFileSync(`${samples}/mixed.json`, 'utf8'));
  assert.deepEqual(json, (await sceneOf(page)).run);
  const trace = JSON.parse(readFileSync(`${samples}/mixed.trace`, 'utf8')).traceEvents;
  const bars = trace.filter(event => event.ph === 'X');
  const tries = bars.filter(bar => bar.cat === 'hedge' || bar.cat === 'retry');
  assert.deepEqual(tries.map(bar => `${bar.cat} ${bar.name}`), ['retry zlib-1.3.1', 'hedge openssl-3.4']);
  const rowNames = trace.filter(event => event.name === 'process_name').map(event => event.args.name);
  assert.deepEqual(rowNames, ['local', 'ruby', 'kana', 'substituters', 'copies home']);
  const copies = bars.filter(bar => bar.cat === 'home').map(bar => [bar.name, bar.ts, bar.dur]);
  assert.deepEqual(copies, [['libc-2.40', 37_200_000, 6_500_000], ['openssl-3.4', 87_000_000, 2_000_000]]);
  assert.equal(bars.find(bar => bar.name === 'libc-2.40' && bar.cat === 'Built').ts, 6_100_000);
  await page.close();
});

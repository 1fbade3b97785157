// The report as its readers meet it: in Chromium, from a file, without a network.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const samples = process.env.REPORT_SAMPLES;
let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
});
after(() => browser.close());

async function open(name, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1300, height: 900 }, ...options });
  const troubles = [];
  page.on('pageerror', error => troubles.push(error.message));
  page.on('console', message => { if (message.type() === 'error') troubles.push(message.text()); });
  page.on('request', request => { if (!request.url().startsWith('file:')) troubles.push(`asked for ${request.url()}`); });
  await page.goto(pathToFileURL(`${samples}/${name}.html`).href);
  return { page, troubles };
}
const text = (page, selector) => page.locator(selector).innerText();
// Playwright's own waiting needs eval, which the page's policy forbids.
async function until(page, condition, argument) {
  for (let i = 0; i < 100; i++) {
    if (await page.evaluate(condition, argument)) return;
    await page.waitForTimeout(50);
  }
  assert.fail(`It did not come to pass: ${condition}`);
}
const rows = page => page.locator('#body tr:not([aria-hidden])');
const names = page => page.locator('#body button').allInnerTexts();
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

for (const name of ['mixed', 'hostile', 'nothing', 'thousand', 'twenty-thousand']) {
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
  await page.locator('#body button').first().click();
  assert.match(await text(page, '#detail'), /onerror=/);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('everything that a run can have is drawn, each in its colour', async () => {
  const { page } = await open('mixed');
  const drawn = await pixels(page);
  for (const kind of ['built', 'critical', 'failed', 'supply', 'retry', 'hedge', 'fetched', 'home']) assert.ok(drawn.includes(await rgb(page, kind)), kind);
  assert.equal(await page.locator('#legend li').count(), 8);
  await page.close();
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
  const place = await page.evaluate(() => nixBuildReport.placeOf(1));
  await page.mouse.move(place.x, place.y);
  assert.match(await text(page, '#tip'), /libc-2\.40\s+Built on ruby in 31 s, expected 28 s\s+inputs took 1\.7 s, 58\.2 MiB\s+waited 1\.8 s\s+on the critical path/);
  await page.mouse.click(place.x, place.y);
  assert.match(await text(page, '#detail'), /Derivation\s+\/nix\/store\/0+-libc-2\.40\.drv/);
  const retried = await page.evaluate(() => nixBuildReport.placeOf(2));
  await page.mouse.click(retried.x, retried.y);
  assert.match(await text(page, '#detail'), /Tried\s+kana: kana does not answer any more\./);
  await page.close();
});

test('what came home together is one bar, below the builders, that says whose outputs it is', async () => {
  const { page } = await open('mixed');
  const place = await page.evaluate(() => nixBuildReport.placeOfCopy(0));
  assert.ok(place.y > (await page.evaluate(() => nixBuildReport.placeOf(0))).y);
  await page.mouse.move(place.x, place.y);
  assert.match(await text(page, '#tip'), /libc-2\.40\s+home from ruby in 6\.5 s, 29\.6 MiB/);
  await page.mouse.click(place.x, place.y);
  assert.match(await text(page, '#detail'), /A copy home[^]*ruby[^]*from 37 s to 44 s[^]*libc-2\.40/);
  await page.close();

  const crowd = await open('thousand');
  const copies = await crowd.page.evaluate(() => nixBuildReport.run.copies);
  assert.ok(copies.some(copy => copy.jobs.length > 1));
  assert.equal(new Set(copies.flatMap(copy => copy.jobs)).size, copies.reduce((sum, copy) => sum + copy.jobs.length, 0));
  await crowd.page.close();
});

test('the timeline zooms and moves by buttons, wheel, mouse and keys, and comes back', async () => {
  const { page } = await open('thousand');
  const view = () => page.evaluate(() => nixBuildReport.view());
  const whole = await view();
  const length = async () => { const now = await view(); return now.to - now.from; };
  await page.locator('#in').click();
  assert.ok(Math.abs(await length() - (whole.to - whole.from) / 2) < 1);
  const box = await page.locator('#gantt-canvas').boundingBox();
  await page.mouse.move(box.x + 300, box.y + 100);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -200);
  await page.keyboard.up('Control');
  await until(page, most => nixBuildReport.view().to - nixBuildReport.view().from < most, (whole.to - whole.from) / 2 - 1);
  const before = await view();
  await page.mouse.down();
  await page.mouse.move(box.x + 200, box.y + 100, { steps: 4 });
  await page.mouse.up();
  assert.ok((await view()).from > before.from);
  await page.locator('#gantt-canvas').focus();
  await page.keyboard.press('-');
  await page.keyboard.press('0');
  assert.deepEqual(await view(), whole);
  await page.close();
});

test('all of it is reached with the keyboard alone', async () => {
  const { page } = await open('mixed');
  const reached = [];
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id));
  }
  for (const id of ['theme', 'critical', 'waits', 'in', 'out', 'fit', 'gantt-canvas', 'filter', 'status']) assert.ok(reached.includes(id), `${id} in ${reached}`);
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
  assert.match(await text(page, '#failures'), /bad-1\.0 Failed on kana\s+builder failed with exit code 2\s+compiling\s+bad\.c:3: error: expected ';'/);
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
    const names = await page.locator('#body td:first-child').evaluateAll(cells => cells.filter(cell => !cell.colSpan || cell.colSpan === 1).map(cell => cell.clientWidth));
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
  await page.locator('#body button').click();
  assert.equal(await page.evaluate(() => { const p = nixBuildReport.placeOf(12345); return p.x > 0 && p.x < innerWidth; }), true);
  await page.close();
});

test('the JSON is what the page has, and the trace has a span for each of its bars', async () => {
  const { page } = await open('mixed');
  const json = JSON.parse(readFileSync(`${samples}/mixed.json`, 'utf8'));
  assert.deepEqual(json, await page.evaluate(() => nixBuildReport.run));
  const trace = JSON.parse(readFileSync(`${samples}/mixed.trace`, 'utf8')).traceEvents;
  const bars = trace.filter(event => event.ph === 'X');
  assert.deepEqual(bars.filter(bar => bar.cat === 'hedge' || bar.cat === 'retry').map(bar => `${bar.cat} ${bar.name}`), ['retry zlib-1.3.1', 'hedge openssl-3.4']);
  assert.deepEqual(trace.filter(event => event.name === 'process_name').map(event => event.args.name), ['local', 'ruby', 'kana', 'substituters', 'copies home']);
  assert.deepEqual(bars.filter(bar => bar.cat === 'home').map(bar => [bar.name, bar.ts, bar.dur]), [['libc-2.40', 37_200_000, 6_500_000], ['openssl-3.4', 87_000_000, 2_000_000]]);
  assert.equal(bars.find(bar => bar.name === 'libc-2.40' && bar.cat === 'Built').ts, 6_100_000);
  await page.close();
});

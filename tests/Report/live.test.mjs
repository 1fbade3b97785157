// The page that follows a run while it goes on, in Chromium. Its server is a few lines here, and has the reports of three moments; the
// module's own is tested in C#.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const samples = process.env.REPORT_SAMPLES;
const servers = [];
let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
});
after(async () => {
  await browser.close();
  // A test that failed has left its own.
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

// Serves the page of a run, and the report of the moment that a test has come to; null: nobody answers.
async function serve() {
  const run = { moment: 'live-first', asked: 0 };
  const server = createServer((request, response) => {
    const isReport = request.url === '/secret/report.json';
    if (isReport) run.asked++;
    if (isReport && run.moment === null) {
      request.destroy();
      return;
    }
    response.setHeader('Content-Type', isReport ? 'application/json' : 'text/html; charset=utf-8');
    response.end(readFileSync(`${samples}/${isReport ? `${run.moment}.json` : 'live-first.html'}`));
  });
  servers.push(server);
  await new Promise(resolve => { server.listen(0, '127.0.0.1', resolve); });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const troubles = [];
  page.on('pageerror', error => troubles.push(error.message));
  const url = `http://127.0.0.1:${server.address().port}/secret/`;
  await page.goto(url);
  const close = async () => {
    await page.close();
    await new Promise(resolve => { server.close(resolve); });
  };
  return { run, page, troubles, url, close };
}

const text = (page, selector) => page.locator(selector).innerText();
const statusOf = (page, name) => page.locator('#body tr', { hasText: name }).getAttribute('data-status');

// What has not come to pass after so many looks, a quarter of an hour, never will: no test says how fast a thing is.
const Looks = 18_000;

async function until(page, condition, argument) {
  for (let i = 0; i < Looks; i++) {
    if (await page.evaluate(condition, argument)) return;
    await page.waitForTimeout(50);
  }
  assert.fail(`It did not come to pass: ${condition} ${argument}`);
}
const says = (page, selector, words) =>
  until(page, ([where, what]) => document.querySelector(where).innerText.includes(what), [selector, words]);

test('a page follows its run to the end, and asks no more then', async () => {
  const { run, page, troubles, close } = await serve();
  assert.equal(await text(page, '#state'), 'Running');
  assert.match(await text(page, '#live'), /follows the run/);
  assert.match(await text(page, '#tiles'), /Elapsed\s+10 s\s+about 40 s to go[^]*Done\s+0\s+of 2[^]*To be pushed\s+1/);
  assert.match(await text(page, '#builders'), /ruby\s+load 3\.3 of 8, 2 builds of others, 3\.0 GiB of memory free/);
  assert.equal(await statusOf(page, 'libc-2.40'), 'Running');
  assert.equal(await statusOf(page, 'app-7.2'), 'Waiting');

  run.moment = 'live-second';
  await says(page, '#tiles', '30 s');
  assert.equal(await statusOf(page, 'libc-2.40'), 'Built');
  assert.equal(await statusOf(page, 'app-7.2'), 'Running');
  assert.ok(!await page.locator('#failures').isVisible());

  run.moment = 'live-last';
  await says(page, '#live', 'The run has ended');
  assert.equal(await text(page, '#state'), 'Failed');
  assert.match(await text(page, '#failures'), /app-7\.2 Failed on kana/);
  assert.equal(await page.locator('#builders tbody tr').count(), 2);
  assert.match(await text(page, '#tiles'), /Built\s+1\s+of 2 derivations/);
  const { asked } = run;
  await page.waitForTimeout(2500);
  assert.equal(run.asked, asked);
  assert.deepEqual(troubles, []);
  await close();
});

test('what a reader has chosen, filtered and zoomed stays when news come', async () => {
  const { run, page, troubles, close } = await serve();
  await page.locator('#body a', { hasText: 'libc-2.40' }).click();
  assert.match(await text(page, '#detail'), /Status\s+Running\s+Phase\s+buildPhase[^]*Builds\s+since 2\.0 s, for 8\.0 s/);
  assert.match(await text(page, '#detail pre'), /compiling malloc\.c/);
  await page.locator('#filter').fill('libc');
  await page.locator('#status').selectOption('Running');
  await page.locator('#in').click();

  run.moment = 'live-second';
  await says(page, '#detail', 'Status\nBuilt');
  assert.equal(await text(page, '#detail h3'), 'libc-2.40');
  assert.equal(await page.locator('#filter').inputValue(), 'libc');
  assert.equal(await page.locator('#status').inputValue(), 'Running');
  assert.equal(await text(page, '#count'), '0 of 2');
  assert.match(page.url(), /#drv-0{32}-libc-2\.40$/);
  assert.deepEqual(troubles, []);
  await close();
});

test('what is read of a build stays where news do not change it: the focus, a selection, what has been opened', async () => {
  const { run, page, troubles, close } = await serve();
  await page.locator('#body a', { hasText: 'libc-2.40' }).click();
  await page.locator('#detail dd a', { hasText: 'app-7.2' }).focus();
  await page.evaluate(() => {
    const fact = name => [...document.querySelectorAll('#detail dt')].find(title => title.textContent === name).nextSibling;
    getSelection().selectAllChildren(fact('System'));
    // As a reader has opened it: what was made anew has it not.
    fact('Needed by').append(' opened');
  });

  run.moment = 'live-second';
  await says(page, '#detail', 'Status\nBuilt');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'app-7.2');
  assert.equal(await page.evaluate(() => getSelection().toString()), 'x86_64-linux');
  assert.match(await text(page, '#detail'), /Needed by\s+app-7\.2 opened/);
  assert.deepEqual(troubles, []);
  await close();
});

test('a page asks at once when it comes into sight', async () => {
  const { run, page, url, close } = await serve();
  await page.goto('about:blank');
  run.asked = 0;
  // No pause of this page ends by itself.
  await page.addInitScript(() => { window.setTimeout = () => 0; });
  await page.goto(url);
  for (let i = 0; i < Looks && run.asked < 2; i++) {
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await page.waitForTimeout(50);
  }
  assert.ok(run.asked >= 2);
  await close();
});

test('where nobody answers any more, the page says how the run stood, and keeps it', async () => {
  const { run, page, close } = await serve();
  run.moment = null;
  await says(page, '#live', 'Nobody serves this page any more');
  assert.equal(await text(page, '#state'), 'Running');
  assert.equal(await statusOf(page, 'libc-2.40'), 'Running');
  await close();
});

test('the page may ask its own server and nobody else', async () => {
  const { page, close } = await serve();
  const other = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.end('heard');
  });
  servers.push(other);
  await new Promise(resolve => { other.listen(0, '127.0.0.1', resolve); });
  const heard = await page.evaluate(url => fetch(url).then(() => 'heard', () => 'refused'), `http://127.0.0.1:${other.address().port}/`);
  assert.equal(heard, 'refused');
  await new Promise(resolve => { other.close(resolve); });
  await close();
});

// A page that is served while its run goes on: it asks for newer reports, as often as the run's machine can well make them.
import { byId } from './dom.js';
import { goesOn } from './run.js';

const LeastPause = 1000;

// A pause is as many times as long as the answer before took: a large run is asked for less often. The end is to be heard of all the same.
const PauseFactor = 10;
const MostPause = 10_000;

// Who has not answered by then does not.
const LongestAnswer = 60_000;

// So many questions without an answer, and nobody is there any more.
const MostSilence = 5;

/** Follows the run where the page says how; `show` is called with each report. */
export async function followRun(run, show) {
  const source = document.querySelector('meta[name=follow]')?.content;
  if (!source) return;
  say('This page follows the run.');
  let shown = run;
  for (let silence = 0; goesOn(shown) && silence < MostSilence;) {
    const before = performance.now();
    const later = await ask(source);
    silence = later ? 0 : silence + 1;
    shown = later ?? shown;
    if (later) show(later);
    if (goesOn(shown)) await pause(Math.min(MostPause, Math.max(LeastPause, PauseFactor * (performance.now() - before))));
  }
  say(goesOn(shown)
    ? `Nobody serves this page any more: this is how the run stood at ${new Date().toLocaleTimeString()}.`
    : 'The run has ended: this page is complete.');
}

/** The report as it is now; null: nobody answers. */
async function ask(source) {
  try {
    const answer = await fetch(source, { cache: 'no-store', signal: AbortSignal.timeout(LongestAnswer) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** Ends at once when the page comes into sight: timers of a page that nobody sees are late. */
const pause = milliseconds => new Promise(resolve => {
  const ending = new AbortController();
  const end = () => {
    ending.abort();
    resolve();
  };
  setTimeout(end, milliseconds);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) end(); }, { signal: ending.signal });
});

function say(text) {
  byId('live').textContent = text;
  byId('live').hidden = false;
}

// Shows the run that the page has in it as data, and opens the derivation that the page's address names.
import { Chart } from './chart.js';
import { showComparison } from './comparison.js';
import { followButtons, followKeys, followPointer } from './controls.js';
import { DerivationTable } from './derivations.js';
import { Detail } from './detail.js';
import { byId } from './dom.js';
import { showFailures } from './failures.js';
import { layout } from './layout.js';
import { followRun } from './live.js';
import { fragmentOf, indexOfFragment } from './run.js';
import { showBuilders, showFigures, showHead } from './summary.js';
import { followTheme } from './theme.js';

let run = JSON.parse(byId('data').textContent);
let plan = layout(run);
const chart = new Chart(run, plan);
const table = new DerivationTable(run);
const detail = new Detail();
const comparison = showComparison(run);
followTheme(document.documentElement, () => chart.draw());
showAll();

function showAll() {
  showHead(run);
  showFigures(run);
  showFailures(run);
  showBuilders(run);
}

// A derivation that was not built has no item, and can be chosen all the same.
const itemOf = index => plan.itemOf[index] ?? { index };

function choose(item, reveal) {
  chart.chosen = item;
  table.chosen = item?.copy ? undefined : item?.index;
  detail.show(run, item);
  if (reveal && item?.row !== undefined) chart.bringIntoView(item);
  chart.draw();
  table.draw();
}

/** Chooses in the timeline: the address follows, so that it can be passed on; going back does not go through all that was looked at. */
function chooseHere(item, reveal) {
  choose(item, reveal);
  const fragment = item && !item.copy ? fragmentOf(run.jobs[item.index]) : '#';
  if (fragment !== (location.hash || '#')) history.replaceState(null, '', fragment);
}

/** Opens what the address names: a link was followed, or the reader went back or forth. */
function openAddress() {
  const index = indexOfFragment(run, location.hash);
  if (index !== undefined) {
    choose(itemOf(index), true);
    detail.reveal();
  } else {
    choose(null);
    if (location.hash.startsWith('#drv-')) detail.say('This run does not have the derivation that the address names.');
  }
}

/** The same run some time later: what is chosen, sorted and in sight stays. */
function update(later) {
  const path = chart.chosen ? run.jobs[chart.chosen.index].derivationPath : undefined;
  run = later;
  plan = layout(run);
  chart.show(run, plan);
  table.show(run);
  showAll();
  const index = path === undefined ? -1 : run.jobs.findIndex(job => job.derivationPath === path);
  if (index >= 0) choose(itemOf(index));
}

followPointer(chart, chooseHere);
followKeys(chart, chooseHere, index => table.reveal(index));
followButtons(chart);
addEventListener('hashchange', openAddress);
addEventListener('resize', () => {
  chart.draw();
  table.draw();
  comparison?.draw();
});
chart.drawNow();
if (location.hash) openAddress();
followRun(run, update);

// Shows the run that the page has in it as data.
import { Chart } from './chart.js';
import { followButtons, followKeys, followPointer } from './controls.js';
import { showDetail } from './detail.js';
import { byId } from './dom.js';
import { showFailures } from './failures.js';
import { layout } from './layout.js';
import { showBuilders, showFigures, showHead } from './summary.js';
import { Table } from './table.js';
import { followTheme } from './theme.js';

const run = JSON.parse(byId('data').textContent);
const plan = layout(run);
const chart = new Chart(run, plan);
followTheme(document.documentElement, () => chart.draw());
showHead(run);
showFigures(run);
showFailures(run);
showBuilders(run);

// A derivation that was not built has no item, and can be chosen all the same.
const table = new Table(run, index => choose(plan.itemOf[index] ?? { index }, true));

function choose(item, reveal) {
  chart.chosen = item;
  table.chosen = item?.index;
  showDetail(run, item);
  if (reveal && item?.row !== undefined) chart.bringIntoView(item);
  chart.draw();
  table.draw();
}

followPointer(chart, choose);
followKeys(chart, choose, index => table.reveal(index));
followButtons(chart);
addEventListener('resize', () => {
  chart.draw();
  table.draw();
});
chart.drawNow();

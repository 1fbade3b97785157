// What failed itself, with its error and the end of its log.
import { byId, element } from './dom.js';
import { counted } from './format.js';
import { builderOf, fragmentOf, hasFailed } from './run.js';

const OpenAtFirst = 3;

/** Shows them; of a run that goes on also those that have come since. */
export function showFailures(run) {
  const list = byId('failure-list');
  const known = new Set([...list.children].map(box => box.dataset.path));
  run.jobs.forEach((job, index) => {
    if (!hasFailed(job) || known.has(job.derivationPath)) return;
    byId('failures').hidden = false;
    const box = failureBox(run, job, index);
    if (list.childElementCount < OpenAtFirst) box.open = true;
    list.append(box);
  });
}

function failureBox(run, job, index) {
  const where = job.builder === undefined ? '' : ` on ${builderOf(run, job)}`;
  const box = element(
    'details', { 'data-path': job.derivationPath }, element('summary', {}, element('b', {}, job.name), ` ${job.status}${where}`));
  if (job.error) box.append(element('p', { class: 'problem' }, job.error));
  if (job.logTail.length > 0) {
    box.append(element('pre', { tabindex: '0', 'aria-label': `End of the log of ${job.name}` }, job.logTail.join('\n')));
  }
  if (job.logPath) box.append(element('p', { class: 'dim small' }, `The whole log: ${job.logPath}`));
  box.append(element('p', { class: 'small' }, element('a', { href: fragmentOf(job) }, `All about ${job.name}`)));
  const waiting = run.jobs.filter(other => other.status === 'DependencyFailed' && other.dependencies.includes(index)).length;
  if (waiting) {
    box.append(element('p', { class: 'dim small' }, `${counted(waiting, 'derivation needs', 'derivations need')} it directly.`));
  }
  return box;
}

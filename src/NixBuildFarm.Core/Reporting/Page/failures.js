// What failed itself, with its error and the end of its log.
import { byId, element } from './dom.js';
import { counted } from './format.js';
import { builderOf, hasFailed } from './run.js';

const OpenAtFirst = 3;

export function showFailures(run) {
  run.jobs.forEach((job, index) => {
    if (!hasFailed(job)) return;
    byId('failures').hidden = false;
    const box = failureBox(run, job, index);
    if (byId('failure-list').childElementCount < OpenAtFirst) box.open = true;
    byId('failure-list').append(box);
  });
}

function failureBox(run, job, index) {
  const where = job.builder === undefined ? '' : ` on ${builderOf(run, job)}`;
  const box = element('details', {}, element('summary', {}, element('b', {}, job.name), ` ${job.status}${where}`));
  if (job.error) box.append(element('p', { class: 'problem' }, job.error));
  if (job.logTail.length > 0) {
    box.append(element('pre', { tabindex: '0', 'aria-label': `End of the log of ${job.name}` }, job.logTail.join('\n')));
  }
  if (job.logPath) box.append(element('p', { class: 'dim small' }, `The whole log: ${job.logPath}`));
  const waiting = run.jobs.filter(other => other.status === 'DependencyFailed' && other.dependencies.includes(index)).length;
  if (waiting) {
    box.append(element('p', { class: 'dim small' }, `${counted(waiting, 'derivation needs', 'derivations need')} it directly.`));
  }
  return box;
}

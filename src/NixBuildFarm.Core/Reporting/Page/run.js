// Questions to the data of a run, which is the report's JSON. A test holds the two sets of statuses to those of the module.
import { number } from './format.js';

const done = new Set(['Built', 'Substituted', 'AlreadyValid']);
const failed = new Set(['Failed', 'TimedOut', 'NoEligibleBuilder']);

/** How a derivation ended, or what it does in a run that goes on. */
export const statusOf = job => job.status ?? (job.supplyStart === undefined && job.start === undefined ? 'Waiting' : 'Running');

/** Whether the outputs of a derivation are there. */
export const isDone = job => done.has(job.status);

/** Whether a derivation failed itself, rather than for want of one that did. */
export const hasFailed = job => failed.has(job.status);

export const isSubstituters = builder => builder.kind === 'substituters';

/** The builder's name; nothing for a derivation that was on none. */
export const builderOf = (run, job) => job.builder === undefined ? '' : run.builders[job.builder].name;

export const endOf = job => (job.start ?? 0) + job.seconds;

/** Whose outputs a copy brought. */
export const copyText = (run, copy) => copy.jobs.length === 1 ? run.jobs[copy.jobs[0]].name : `${number(copy.jobs.length)} outputs`;

/** The names of derivations; a run that was recorded badly may refer to some that it does not have. */
export const namesOf = (run, indexes) => indexes.map(index => run.jobs[index]?.name).filter(name => name !== undefined);

export const goesOn = run => run.state === 'Running';

const baseOf = path => path.slice(path.lastIndexOf('/') + 1).replace(/\.drv$/, '');

/** The fragment of the page's address that opens a derivation. */
export const fragmentOf = job => `#drv-${encodeURIComponent(baseOf(job.derivationPath))}`;

/** The index of the derivation that a fragment opens; undefined: none, or the run does not have it. */
export function indexOfFragment(run, fragment) {
  const [, encoded] = fragment.match(/^#drv-(.+)$/) ?? [];
  if (encoded === undefined) return undefined;
  let base;
  try {
    base = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  const index = run.jobs.findIndex(job => baseOf(job.derivationPath) === base);
  return index < 0 ? undefined : index;
}

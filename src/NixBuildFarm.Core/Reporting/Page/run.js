// Questions to the data of a run, which is the report's JSON. A test holds the two sets of statuses to those of the module.
import { number } from './format.js';

const done = new Set(['Built', 'Substituted', 'AlreadyValid']);
const failed = new Set(['Failed', 'TimedOut', 'NoEligibleBuilder']);

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

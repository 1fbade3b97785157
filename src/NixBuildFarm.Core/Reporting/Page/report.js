'use strict';
(() => {
  const run = JSON.parse(document.getElementById('data').textContent);
  const byId = id => document.getElementById(id);
  const critical = new Set(run.criticalPath);
  const failedStates = ['Failed', 'TimedOut', 'NoEligibleBuilder'];

  // Every text of the run becomes a text node: names and logs are data, whatever is in them.
  const element = (name, options = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(options)) {
      if (key === 'class') made.className = value;
      else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
      else if (value !== undefined) made.setAttribute(key, value);
    }
    for (const child of children) made.append(child instanceof Node ? child : document.createTextNode(child ?? ''));
    return made;
  };

  const span = seconds => {
    if (seconds === undefined || seconds === null) return '';
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
    if (seconds < 59.5) return `${seconds.toFixed(0)} s`;
    const whole = Math.round(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, '0')} s`;
    return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole % 3600 / 60)).padStart(2, '0')} m`;
  };
  const bytes = count => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    let unit = 0;
    for (; count >= 1023.95 && unit < units.length - 1; unit++) count /= 1024;
    return unit === 0 ? `${count} B` : `${count.toFixed(1)} ${units[unit]}`;
  };
  const number = count => count.toLocaleString('en');
  const percent = part => `${Math.round(100 * part)} %`;
  const endOf = job => (job.start ?? 0) + job.seconds;
  const builderOf = job => job.builder === undefined ? '' : run.builders[job.builder].name;

  // ---- Theme ----
  const root = document.documentElement;
  const remembered = () => { try { return localStorage.getItem('nixbuildfarm-theme'); } catch { return null; } };
  const setTheme = theme => {
    root.dataset.theme = theme;
    byId('theme').textContent = theme === 'dark' ? 'Light' : 'Dark';
  };
  const wantsDark = matchMedia('(prefers-color-scheme: dark)');
  setTheme(remembered() ?? (wantsDark.matches ? 'dark' : 'light'));
  wantsDark.addEventListener('change', () => { if (!remembered()) { setTheme(wantsDark.matches ? 'dark' : 'light'); draw(); } });
  byId('theme').addEventListener('click', () => {
    setTheme(root.dataset.theme === 'dark' ? 'light' : 'dark');
    try { localStorage.setItem('nixbuildfarm-theme', root.dataset.theme); } catch { /* a page from a file may have no storage */ }
    draw();
  });

  // ---- Head and summary ----
  document.title = `Run ${run.runId}`;
  byId('run').textContent = run.runId;
  byId('state').textContent = run.state;
  byId('state').classList.add(run.state);
  byId('asked').textContent = `${run.requested.join(', ')} · ${new Date(run.started).toLocaleString()}`;
  if (run.error) {
    byId('error').textContent = run.error;
    byId('error').hidden = false;
  }
  const count = test => run.jobs.filter(test).length;
  const tile = (title, value, more) => byId('tiles').append(element('div', {}, element('dt', {}, title), element('dd', {}, value, ...(more ? [element('small', {}, more)] : []))));
  const built = count(job => job.status === 'Built');
  const notDone = count(job => !['Built', 'Substituted', 'AlreadyValid'].includes(job.status));
  const fetched = count(job => job.status === 'Substituted');
  tile('Makespan', span(run.makespan), run.lowerBound ? `${(run.makespan / run.lowerBound).toFixed(2)} × the lower bound` : `${span(run.seconds)} from start to end`);
  if (run.lowerBound) tile('Lower bound', span(run.lowerBound), 'no schedule can beat it');
  if (run.evaluationSeconds >= 1) tile('Evaluation', span(run.evaluationSeconds), `of ${span(run.seconds)} from start to end`);
  tile('Built', number(built), `of ${number(run.jobs.length)} derivations${fetched ? `, ${number(fetched)} fetched` : ''}`);
  if (notDone) tile('Not there', number(notDone), `${number(count(job => failedStates.includes(job.status)))} failed themselves`);
  const path = run.criticalPath.reduce((sum, job) => sum + run.jobs[job].seconds, 0);
  tile('Critical path', span(path), `${number(run.criticalPath.length)} builds, one after the other`);
  tile('Sent to builders', bytes(run.suppliedBytes));

  // ---- Timeline: what there is to draw ----
  const lanes = run.builders.map(builder => Array.from({ length: builder.lanes }, () => []));
  // What comes home has a row of its own, below those of the builders.
  const bands = run.copies.length > 0 ? [...run.builders, { name: 'Copies home', kind: 'home', lanes: run.copyLanes }] : run.builders;
  if (bands.length > run.builders.length) lanes.push(Array.from({ length: run.copyLanes }, () => []));
  const itemOf = new Array(run.jobs.length);
  run.jobs.forEach((job, index) => {
    if (job.builder !== undefined && job.lane !== undefined) {
      const from = job.supplyStart ?? job.start;
      const item = { index, from, start: job.start ?? from, end: (job.start ?? from) + job.seconds, row: job.builder, lane: job.lane, kind: kindOf(job, index) };
      itemOf[index] = item;
      lanes[job.builder][job.lane].push(item);
    }
    for (const attempt of job.attempts) {
      if (attempt.builder === undefined || attempt.lane === undefined) continue;
      lanes[attempt.builder][attempt.lane].push({ index, attempt, from: attempt.start, start: attempt.start, end: attempt.start + attempt.seconds, row: attempt.builder, lane: attempt.lane, kind: attempt.gaveWay ? 'hedge' : 'retry' });
    }
  });
  for (const copy of run.copies) {
    lanes[run.builders.length][copy.lane].push({ copy, index: copy.jobs[0], from: copy.start, start: copy.start, end: copy.start + copy.seconds, row: run.builders.length, lane: copy.lane, kind: 'home' });
  }
  const copyText = copy => copy.jobs.length === 1 ? run.jobs[copy.jobs[0]].name : `${number(copy.jobs.length)} outputs`;
  for (const lane of lanes.flat()) lane.sort((a, b) => a.from - b.from);
  const items = lanes.flat(2);
  function kindOf(job, index) {
    if (failedStates.includes(job.status)) return 'failed';
    if (run.builders[job.builder].kind === 'substituters') return 'fetched';
    return critical.has(index) ? 'critical' : 'built';
  }

  const legend = { built: 'Build', critical: 'Build on the critical path', supply: 'Inputs on their way', retry: 'Try that came to nothing', hedge: 'Second start that gave way', fetched: 'Fetched', home: 'Copy home', failed: 'Failed' };
  for (const [kind, text] of Object.entries(legend)) {
    const there = kind === 'supply' ? items.some(item => item.start > item.from) : items.some(item => item.kind === kind);
    if (there) byId('legend').append(element('li', {}, element('i', { style: `background: var(--${kind})` }), text));
  }

  // ---- Timeline: where it is drawn ----
  const gantt = byId('gantt');
  const canvas = byId('gantt-canvas');
  const load = byId('load');
  const AxisHeight = 26;
  const HeadHeight = 24;
  const laneCount = bands.reduce((sum, builder) => sum + builder.lanes, 0);
  const LaneHeight = laneCount <= 48 ? 20 : laneCount <= 200 ? 12 : 7;
  const rowTop = [];
  let contentHeight = AxisHeight;
  for (const builder of bands) {
    rowTop.push(contentHeight);
    contentHeight += HeadHeight + builder.lanes * LaneHeight + 6;
  }
  byId('gantt-size').style.height = `${contentHeight}px`;
  const laneTop = (row, lane) => rowTop[row] + HeadHeight + lane * LaneHeight;

  const first = items.reduce((least, item) => Math.min(least, item.from), Infinity);
  const last = items.reduce((most, item) => Math.max(most, item.end), 0);
  const whole = { from: Number.isFinite(first) ? first : 0, to: Math.max(last, (Number.isFinite(first) ? first : 0) + 0.1) };
  const margin = (whole.to - whole.from) * 0.01;
  whole.from -= margin;
  whole.to += margin;
  const view = { ...whole };
  let width = 1;
  let height = 1;
  let chosen = null;
  const toX = time => (time - view.from) / (view.to - view.from) * width;
  const toTime = x => view.from + x / width * (view.to - view.from);

  const show = (from, to) => {
    const least = 0.02;
    const length = Math.max(to - from, least);
    if (length >= whole.to - whole.from) return fit();
    view.from = Math.min(Math.max(from, whole.from), whole.to - length);
    view.to = view.from + length;
    draw();
  };
  const fit = () => {
    Object.assign(view, whole);
    draw();
  };
  const zoom = (factor, at = (view.from + view.to) / 2) => show(at - (at - view.from) * factor, at + (view.to - at) * factor);

  const size = (target, cssWidth, cssHeight) => {
    const scale = devicePixelRatio || 1;
    if (target.width !== Math.round(cssWidth * scale) || target.height !== Math.round(cssHeight * scale)) {
      target.width = Math.round(cssWidth * scale);
      target.height = Math.round(cssHeight * scale);
    }
    const pen = target.getContext('2d');
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, cssWidth, cssHeight);
    return pen;
  };

  let pending = 0;
  function draw() {
    if (!pending) pending = requestAnimationFrame(() => { pending = 0; drawNow(); });
  }

  function drawNow() {
    width = gantt.clientWidth;
    height = Math.min(contentHeight, Math.max(120, innerHeight * 0.68 - 2));
    canvas.style.height = `${height}px`;
    gantt.style.height = `${height + 2}px`;
    const style = getComputedStyle(root);
    const colour = name => style.getPropertyValue(`--${name}`).trim();
    const colours = {};
    for (const name of ['built', 'critical', 'failed', 'supply', 'retry', 'hedge', 'fetched', 'home', 'text', 'dim', 'line', 'card', 'accent', 'built-text', 'critical-text', 'failed-text', 'plain-text']) colours[name] = colour(name);
    drawTimeline(size(canvas, width, height), colours);
    drawLoad(colours);
  }

  function ticks() {
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
    const wanted = (view.to - view.from) / Math.max(2, width / 110);
    const step = steps.find(s => s >= wanted) ?? 86400;
    const all = [];
    for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) all.push(time);
    return { all, step };
  }
  const tickText = (time, step) => step < 1 ? `${time.toFixed(step < 0.1 ? 2 : 1)} s` : time < 60 ? `${Math.round(time)} s` : time < 3600 ? `${Math.floor(time / 60)} m${time % 60 ? ` ${String(Math.round(time % 60)).padStart(2, '0')} s` : ''}` : `${Math.floor(time / 3600)} h${time % 3600 ? ` ${String(Math.round(time % 3600 / 60)).padStart(2, '0')} m` : ''}`;

  function drawTimeline(pen, colours) {
    const top = gantt.scrollTop;
    const { all, step } = ticks();
    pen.textBaseline = 'middle';
    pen.lineWidth = 1;
    pen.strokeStyle = colours.line;
    pen.beginPath();
    for (const time of all) {
      const x = Math.round(toX(time)) + 0.5;
      pen.moveTo(x, AxisHeight);
      pen.lineTo(x, height);
    }
    pen.stroke();

    const dim = byId('critical').getAttribute('aria-pressed') === 'true';
    const waits = byId('waits').getAttribute('aria-pressed') === 'true';
    bands.forEach((builder, row) => {
      const y = rowTop[row] - top;
      if (y > height || y + HeadHeight + builder.lanes * LaneHeight < AxisHeight) return;
      lanes[row].forEach((lane, number) => {
        const laneY = laneTop(row, number) - top;
        if (laneY < height && laneY + LaneHeight > AxisHeight) drawLane(pen, colours, lane, laneY, dim);
      });
      pen.font = '600 12.5px system-ui, "DejaVu Sans", sans-serif';
      pen.fillStyle = colours.text;
      pen.fillText(builder.name, 8, y + HeadHeight / 2 + 1);
      const nameWidth = pen.measureText(builder.name).width;
      pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
      pen.fillStyle = colours.dim;
      const facts = builder.kind === 'substituters' ? 'fetched from' : builder.kind === 'home' ? `${bytes(run.copies.reduce((sum, copy) => sum + copy.bytes, 0))} from builders to this machine` : `${number(builder.builds)} ${builder.builds === 1 ? 'build' : 'builds'}, ${percent(builder.utilisation)} busy`;
      pen.fillText(facts, 8 + nameWidth + 10, y + HeadHeight / 2 + 1);
    });
    if (waits) drawWaits(pen, colours, top);
    drawCriticalPath(pen, colours, top);
    drawChosen(pen, colours, top);

    pen.fillStyle = colours.card;
    pen.fillRect(0, 0, width, AxisHeight);
    pen.strokeStyle = colours.line;
    pen.beginPath();
    pen.moveTo(0, AxisHeight + 0.5);
    pen.lineTo(width, AxisHeight + 0.5);
    pen.stroke();
    pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
    pen.fillStyle = colours.dim;
    for (const time of all) {
      const text = tickText(time, step);
      const x = Math.min(Math.max(toX(time), pen.measureText(text).width / 2 + 4), width - pen.measureText(text).width / 2 - 4);
      pen.textAlign = 'center';
      pen.fillText(text, x, AxisHeight / 2);
    }
    pen.textAlign = 'left';
  }

  // The first item of a lane that ends after a time; lanes are in the order of time, and nothing in one covers another.
  const firstAfter = (lane, time) => {
    let [low, high] = [0, lane.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lane[middle].end < time) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  function drawLane(pen, colours, lane, y, dim) {
    const gap = LaneHeight > 8 ? 2 : 1;
    const tall = LaneHeight - gap;
    let drawnTo = -1;
    for (let i = firstAfter(lane, view.from); i < lane.length && lane[i].from <= view.to; i++) {
      const item = lane[i];
      const [from, start, end] = [toX(item.from), toX(item.start), toX(item.end)];
      const important = !['built', 'fetched', 'home'].includes(item.kind);
      // Thousands of builds may share a pixel: one stands for them.
      if (!important && end < drawnTo + 0.5) continue;
      drawnTo = Math.max(end, from + 1);
      pen.globalAlpha = dim && item.kind !== 'critical' ? 0.25 : 1;
      if (start > from) {
        pen.fillStyle = colours.supply;
        pen.fillRect(from, y + tall * 0.28, start - from, tall * 0.44);
      }
      const long = Math.max(1, end - start - (end - start > 4 ? 0.75 : 0));
      pen.fillStyle = colours[item.kind];
      pen.beginPath();
      pen.roundRect(start, y, long, tall, long > 6 ? Math.min(3, tall / 3) : 0);
      pen.fill();
      if (long > 46 && LaneHeight >= 12) {
        pen.font = `${LaneHeight >= 18 ? 11.5 : 9.5}px system-ui, "DejaVu Sans", sans-serif`;
        pen.fillStyle = colours[`${item.kind}-text`] ?? colours['plain-text'];
        const left = Math.max(start, 0) + 5;
        label(pen, item.copy ? copyText(item.copy) : run.jobs[item.index].name, left, y + tall / 2 + 0.5, Math.min(end, width) - left - 4);
      }
    }
    pen.globalAlpha = 1;
  }

  function label(pen, text, x, y, room) {
    if (room < 24) return;
    let shown = text;
    while (shown.length > 2 && pen.measureText(shown).width > room) shown = `${shown.slice(0, Math.floor(shown.length * 0.85) - 1)}…`;
    if (shown.length > 3 || shown === text) pen.fillText(shown, x, y);
  }

  function drawWaits(pen, colours, top) {
    pen.strokeStyle = colours.dim;
    pen.globalAlpha = 0.7;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const item of itemOf) {
      const job = item && run.jobs[item.index];
      if (!job || job.waited < 0.05 || toX(item.start) < 0 || toX(item.start - job.waited) > width) continue;
      const y = Math.round(laneTop(item.row, item.lane) - top + LaneHeight - 1) - 0.5;
      if (y < AxisHeight || y > height) continue;
      pen.moveTo(toX(item.start - job.waited), y - 3);
      pen.lineTo(toX(item.start - job.waited), y);
      pen.lineTo(toX(item.start), y);
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  function drawCriticalPath(pen, colours, top) {
    pen.strokeStyle = colours.critical;
    pen.lineWidth = 1.5;
    pen.globalAlpha = 0.55;
    pen.beginPath();
    for (let i = 1; i < run.criticalPath.length; i++) {
      const [before, after] = [itemOf[run.criticalPath[i - 1]], itemOf[run.criticalPath[i]]];
      if (!before || !after || toX(after.from) < 0 || toX(before.end) > width) continue;
      const [x1, y1] = [toX(before.end), laneTop(before.row, before.lane) - top + LaneHeight / 2];
      const [x2, y2] = [toX(after.from), laneTop(after.row, after.lane) - top + LaneHeight / 2];
      pen.moveTo(x1, y1);
      pen.bezierCurveTo(x1 + 10, y1, x2 - 10, y2, x2, y2);
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  function drawChosen(pen, colours, top) {
    if (chosen?.row === undefined) return;
    const y = laneTop(chosen.row, chosen.lane) - top;
    pen.strokeStyle = colours.text;
    pen.lineWidth = 2;
    pen.strokeRect(toX(chosen.from) - 1, y - 1, Math.max(3, toX(chosen.end) - toX(chosen.from)) + 1, LaneHeight);
  }

  // ---- Builds at work over time ----
  const changes = [];
  for (const item of items) {
    if (item.attempt || item.copy || run.builders[item.row].kind === 'substituters' || item.end <= item.start) continue;
    changes.push([item.start, 1], [item.end, -1]);
  }
  changes.sort((a, b) => a[0] - b[0]);
  const slots = run.builders.reduce((sum, builder) => sum + (builder.kind === 'substituters' ? 0 : builder.slots), 0);

  function drawLoad(colours) {
    const [wide, tall] = [byId('load-box').clientWidth, byId('load-box').clientHeight];
    const pen = size(load, wide, tall);
    const most = Math.max(1, slots);
    const area = new Float64Array(Math.ceil(wide) + 1);
    let busy = 0;
    let from = view.from;
    const add = (begin, end, value) => {
      if (value === 0 || end <= begin) return;
      const [x1, x2] = [(begin - view.from) / (view.to - view.from) * wide, (end - view.from) / (view.to - view.from) * wide];
      for (let x = Math.floor(x1); x <= Math.min(Math.floor(x2), wide); x++) area[x] += value * Math.max(0, Math.min(x + 1, x2) - Math.max(x, x1));
    };
    for (const [time, change] of changes) {
      if (time > view.to) break;
      if (time > view.from) {
        add(from, time, busy);
        from = time;
      }
      busy += change;
    }
    add(from, view.to, busy);
    pen.fillStyle = colours.built;
    pen.beginPath();
    pen.moveTo(0, tall);
    for (let x = 0; x < wide; x++) {
      const y = tall - Math.min(1, area[x] / most) * (tall - 22);
      pen.lineTo(x, y);
      pen.lineTo(x + 1, y);
    }
    pen.lineTo(wide, tall);
    pen.fill();
    pen.strokeStyle = colours.line;
    pen.beginPath();
    pen.moveTo(0, 21.5);
    pen.lineTo(wide, 21.5);
    pen.stroke();
    pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
    pen.fillStyle = colours.dim;
    pen.textBaseline = 'middle';
    pen.fillText(`Builds at work, of ${number(slots)} ${slots === 1 ? 'slot' : 'slots'}`, 8, 11);
  }

  // ---- Timeline: pointer and keys ----
  const tip = byId('tip');
  function itemAt(x, y) {
    const inContent = y + gantt.scrollTop;
    if (y < AxisHeight) return null;
    let row = bands.length - 1;
    while (row > 0 && rowTop[row] > inContent) row--;
    if (row < 0) return null;
    const lane = Math.floor((inContent - rowTop[row] - HeadHeight) / LaneHeight);
    if (lane < 0 || lane >= bands[row].lanes) return null;
    const reach = (view.to - view.from) / width * 2;
    const time = toTime(x);
    const items = lanes[row][lane];
    const found = items[firstAfter(items, time - reach)];
    return found && found.from <= time + reach ? found : null;
  }

  function describe(item) {
    const job = run.jobs[item.index];
    if (item.copy) return [copyText(item.copy), `home from ${run.builders[item.copy.builder].name} in ${span(item.copy.seconds)}, ${bytes(item.copy.bytes)}`];
    const lines = item.attempt
      ? [`${item.attempt.gaveWay ? 'Second start that gave way' : 'Try that came to nothing'} after ${span(item.attempt.seconds)}`, item.attempt.reason]
      : [`${job.status} on ${builderOf(job)} in ${span(job.seconds)}${job.expectedSeconds ? `, expected ${span(job.expectedSeconds)}` : ''}`,
        item.start > item.from ? `inputs took ${span(item.start - item.from)}${job.suppliedBytes ? `, ${bytes(job.suppliedBytes)}` : ''}` : '',
        job.waited >= 0.05 ? `waited ${span(job.waited)}` : '',
        critical.has(item.index) ? 'on the critical path' : ''];
    return [job.name, ...lines.filter(Boolean)];
  }

  function showTip(item, x, y) {
    tip.hidden = !item;
    if (!item) return;
    const [name, ...lines] = describe(item);
    tip.replaceChildren(element('b', {}, name), ...lines.map(line => element('div', {}, line)));
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18}px`;
  }

  function choose(item, reveal) {
    chosen = item;
    const detail = byId('detail');
    if (!item) {
      detail.replaceChildren(element('p', { class: 'dim' }, 'Choose a build to see all about it.'));
    } else if (item.copy) {
      const list = element('dl');
      const fact = (title, value) => list.append(element('dt', {}, title), element('dd', {}, value));
      fact('From', run.builders[item.copy.builder].name);
      fact('Came', `from ${span(item.from)} to ${span(item.end)}, in ${span(item.copy.seconds)}`);
      fact('Size', bytes(item.copy.bytes));
      fact('Outputs of', item.copy.jobs.slice(0, 12).map(index => run.jobs[index].name).join(', ') + (item.copy.jobs.length > 12 ? ` and ${item.copy.jobs.length - 12} more` : ''));
      detail.replaceChildren(element('h3', {}, 'A copy home'), list);
      if (reveal) bringIntoView(item);
    } else {
      const job = run.jobs[item.index];
      const list = element('dl');
      const fact = (title, value) => { if (value) list.append(element('dt', {}, title), element('dd', {}, value)); };
      fact('Status', job.status);
      fact('Builder', builderOf(job));
      fact('System', job.system);
      fact('Built', job.start === undefined ? '' : `from ${span(job.start)} to ${span(endOf(job))}, in ${span(job.seconds)}${job.expectedSeconds ? ` (expected ${span(job.expectedSeconds)})` : ''}`);
      fact('Inputs', item.start > item.from && !item.attempt ? `${span(item.start - item.from)} on their way, ${bytes(job.suppliedBytes)} sent` : '');
      fact('Waited', job.waited >= 0.05 ? `${span(job.waited)} from when it could have begun` : '');
      fact('Cores', job.cores ? String(job.cores) : '');
      fact('Outputs', job.outputBytes ? bytes(job.outputBytes) : '');
      for (const attempt of job.attempts) fact(attempt.gaveWay ? 'Gave way' : 'Tried', `${attempt.builder === undefined ? '' : `${run.builders[attempt.builder].name}: `}${attempt.reason} (${span(attempt.seconds)})`);
      fact('Needs', job.dependencies.slice(0, 12).map(index => run.jobs[index].name).join(', ') + (job.dependencies.length > 12 ? ` and ${job.dependencies.length - 12} more` : ''));
      fact('Derivation', job.derivationPath);
      fact('Log', job.logPath);
      fact('Error', job.error);
      detail.replaceChildren(element('h3', {}, job.name), list);
      if (reveal && item.row !== undefined) bringIntoView(item);
    }
    draw();
    drawRows();
  }

  function bringIntoView(item) {
    const length = view.to - view.from;
    if (item.end < view.from + length * 0.05 || item.from > view.to - length * 0.05) show((item.from + item.end) / 2 - length / 2, (item.from + item.end) / 2 + length / 2);
    const y = laneTop(item.row, item.lane);
    if (y - AxisHeight < gantt.scrollTop) gantt.scrollTop = y - AxisHeight - HeadHeight;
    else if (y + LaneHeight > gantt.scrollTop + height) gantt.scrollTop = y + LaneHeight - height + 10;
  }

  let drag = null;
  canvas.addEventListener('pointerdown', event => {
    drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    const box = canvas.getBoundingClientRect();
    if (!drag) {
      showTip(itemAt(event.clientX - box.left, event.clientY - box.top), event.clientX, event.clientY);
      return;
    }
    if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag.moved) {
      tip.hidden = true;
      const by = (event.clientX - drag.x) / width * (drag.to - drag.from);
      show(drag.from - by, drag.to - by);
    }
  });
  canvas.addEventListener('pointerup', event => {
    const box = canvas.getBoundingClientRect();
    if (drag && !drag.moved) choose(itemAt(event.clientX - box.left, event.clientY - box.top));
    drag = null;
  });
  canvas.addEventListener('pointercancel', () => { drag = null; });
  canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  canvas.addEventListener('dblclick', event => zoom(0.4, toTime(event.clientX - canvas.getBoundingClientRect().left)));
  canvas.addEventListener('wheel', event => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 150), toTime(event.clientX - canvas.getBoundingClientRect().left));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const by = (event.deltaX || event.deltaY) / width * (view.to - view.from);
      show(view.from + by, view.to + by);
    }
  }, { passive: false });
  gantt.addEventListener('scroll', () => { tip.hidden = true; draw(); });

  const flat = lanes.flat();
  function step(sideways, lanesDown) {
    if (items.length === 0) return;
    if (chosen?.row === undefined) return choose(items.reduce((a, b) => b.from < a.from ? b : a), true);
    const own = flat.indexOf(lanes[chosen.row][chosen.lane]);
    if (sideways) {
      const next = flat[own][flat[own].indexOf(chosen) + sideways];
      if (next) choose(next, true);
      return;
    }
    for (let other = own + lanesDown; other >= 0 && other < flat.length; other += lanesDown) {
      const lane = flat[other];
      if (lane.length === 0) continue;
      const middle = (chosen.from + chosen.end) / 2;
      return choose(lane[Math.min(firstAfter(lane, middle), lane.length - 1)], true);
    }
  }
  const middleOfChosen = () => chosen?.row === undefined ? undefined : (chosen.from + chosen.end) / 2;
  function stepOnPath(by) {
    const at = chosen ? run.criticalPath.indexOf(chosen.index) : -1;
    const next = itemOf[run.criticalPath[(at + by + run.criticalPath.length) % run.criticalPath.length]];
    if (next) choose(next, true);
  }
  canvas.addEventListener('keydown', event => {
    const pan = (view.to - view.from) / 4;
    const keys = {
      ArrowLeft: () => event.shiftKey ? show(view.from - pan, view.to - pan) : step(-1, 0),
      ArrowRight: () => event.shiftKey ? show(view.from + pan, view.to + pan) : step(1, 0),
      ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
      '+': () => zoom(0.5, middleOfChosen()), '=': () => zoom(0.5, middleOfChosen()),
      '-': () => zoom(2), 0: fit, Home: fit,
      c: () => stepOnPath(1), C: () => stepOnPath(event.shiftKey ? -1 : 1),
      Escape: () => choose(null), Enter: () => { if (chosen) revealRow(chosen.index); },
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  byId('in').addEventListener('click', () => zoom(0.5));
  byId('out').addEventListener('click', () => zoom(2));
  byId('fit').addEventListener('click', fit);
  for (const id of ['critical', 'waits']) {
    byId(id).addEventListener('click', () => {
      byId(id).setAttribute('aria-pressed', String(byId(id).getAttribute('aria-pressed') !== 'true'));
      draw();
    });
  }

  // ---- Failures ----
  run.jobs.forEach((job, index) => {
    if (!failedStates.includes(job.status)) return;
    byId('failures').hidden = false;
    const box = element('details', {}, element('summary', {}, element('b', {}, job.name), ` ${job.status}${job.builder === undefined ? '' : ` on ${builderOf(job)}`}`));
    if (byId('failure-list').childElementCount < 3) box.open = true;
    if (job.error) box.append(element('p', { class: 'problem' }, job.error));
    if (job.logTail.length > 0) box.append(element('pre', { tabindex: '0', 'aria-label': `End of the log of ${job.name}` }, job.logTail.join('\n')));
    if (job.logPath) box.append(element('p', { class: 'dim small' }, `The whole log: ${job.logPath}`));
    const waiting = count(other => other.status === 'DependencyFailed' && other.dependencies.includes(index));
    if (waiting) box.append(element('p', { class: 'dim small' }, `${number(waiting)} ${waiting === 1 ? 'derivation needs' : 'derivations need'} it directly.`));
    byId('failure-list').append(box);
  });

  // ---- Builders ----
  for (const builder of run.builders) {
    if (builder.kind === 'substituters') continue;
    const meter = element('span', { class: 'meter' }, element('i', { style: `width: ${100 * builder.utilisation}%` }));
    byId('builders').tBodies[0].append(element('tr', {}, element('td', {}, builder.name), element('td', { class: 'wide dim' }, builder.systems.join(', ')), element('td', { class: 'n' }, number(builder.slots)),
      element('td', { class: 'n' }, number(builder.builds)), element('td', { class: 'n' }, span(builder.busySeconds)), element('td', { class: 'n' }, bytes(builder.suppliedBytes)), element('td', {}, meter, percent(builder.utilisation))));
  }

  // ---- Table: only the rows in sight are in the page ----
  const RowHeight = 31;
  const columns = [
    { title: 'Name', value: job => job.name, kind: 'name' },
    { title: 'Status', value: job => job.status, kind: 'name-like' },
    { title: 'Builder', value: builderOf, kind: 'name-like roomy' },
    { title: 'System', value: job => job.system, kind: 'name-like wide' },
    { title: 'Start', value: job => job.start, text: span, kind: 'n wide' },
    { title: 'Duration', value: job => job.start === undefined ? undefined : job.seconds, text: span, kind: 'n' },
    { title: 'Expected', value: job => job.expectedSeconds, text: span, kind: 'n widest' },
    { title: 'Waited', value: job => job.start === undefined ? undefined : job.waited, text: span, kind: 'n wide' },
    { title: 'Sent', value: job => job.suppliedBytes || undefined, text: value => value ? bytes(value) : '', kind: 'n widest' },
    { title: 'Output', value: job => job.outputBytes || undefined, text: value => value ? bytes(value) : '', kind: 'n widest' },
  ];
  let sort = { column: columns[4], down: false };
  let shown = [];
  const statuses = [...new Set(run.jobs.map(job => job.status))].sort();
  byId('status').append(element('option', { value: '' }, 'Every status'), ...statuses.map(status => element('option', { value: status }, status)));
  for (const column of columns) {
    column.head = element('th', { class: column.kind, scope: 'col' }, element('button', { type: 'button', onclick: () => {
      sort = { column, down: sort.column === column ? !sort.down : column.kind.startsWith('n') && !column.kind.startsWith('name') };
      filterRows();
    } }, column.title));
    byId('heads').append(column.head);
  }

  function filterRows() {
    const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = byId('status').value;
    shown = [];
    run.jobs.forEach((job, index) => {
      const text = `${job.name} ${builderOf(job)} ${job.system}`.toLowerCase();
      if ((!status || job.status === status) && words.every(word => text.includes(word))) shown.push(index);
    });
    const sign = sort.down ? -1 : 1;
    const value = index => sort.column.value(run.jobs[index]);
    shown.sort((a, b) => {
      const [left, right] = [value(a), value(b)];
      // What has no value comes last, whatever the direction.
      if (left === undefined || right === undefined) return (left === undefined) - (right === undefined) || a - b;
      return sign * (typeof left === 'string' ? left.localeCompare(right, 'en', { numeric: true }) : left - right) || a - b;
    });
    for (const column of columns) {
      column.head.setAttribute('aria-sort', column !== sort.column ? 'none' : sort.down ? 'descending' : 'ascending');
      column.head.firstChild.textContent = column.title + (column !== sort.column ? '' : sort.down ? ' ↓' : ' ↑');
    }
    byId('count').textContent = shown.length === run.jobs.length ? number(shown.length) : `${number(shown.length)} of ${number(run.jobs.length)}`;
    byId('rows').scrollTop = 0;
    drawRows();
  }

  function drawRows() {
    const box = byId('rows');
    const from = Math.max(0, Math.floor(box.scrollTop / RowHeight) - 8);
    const to = Math.min(shown.length, from + Math.ceil(box.clientHeight / RowHeight) + 18);
    // Columns that the window is too narrow for are hidden, and a row that spans them all the same would make empty ones of them.
    const visible = columns.filter(column => getComputedStyle(column.head).display !== 'none').length;
    const spacer = rows => rows > 0 ? [element('tr', { 'aria-hidden': 'true' }, element('td', { colspan: visible, style: `height: ${rows * RowHeight}px; border: 0; padding: 0` }))] : [];
    const had = document.activeElement?.dataset?.job;
    byId('body').replaceChildren(...spacer(from), ...shown.slice(from, to).map(drawRow), ...spacer(shown.length - to));
    if (had !== undefined) byId('body').querySelector(`[data-job="${had}"]`)?.focus({ preventScroll: true });
  }

  function drawRow(index) {
    const job = run.jobs[index];
    const row = element('tr', { class: `${job.isRequested ? 'asked' : ''} ${chosen?.index === index ? 'chosen' : ''}` });
    for (const column of columns) {
      const value = column.value(job);
      const text = column.text ? column.text(value) : value ?? '';
      const cell = element('td', { class: column.title === 'Status' ? `${column.kind} ${job.status}` : column.kind, title: column.kind.startsWith('n') && !column.kind.startsWith('name') ? undefined : text });
      cell.append(column.title === 'Name' ? element('button', { type: 'button', 'data-job': index, onclick: () => choose(itemOf[index] ?? { index }, true) }, text) : document.createTextNode(text));
      row.append(cell);
    }
    return row;
  }

  function revealRow(index) {
    let at = shown.indexOf(index);
    if (at < 0) {
      byId('filter').value = '';
      byId('status').value = '';
      filterRows();
      at = shown.indexOf(index);
    }
    byId('rows').scrollTop = Math.max(0, at * RowHeight - 100);
    drawRows();
    byId('body').querySelector(`[data-job="${index}"]`)?.focus();
  }

  byId('filter').addEventListener('input', filterRows);
  byId('status').addEventListener('change', filterRows);
  byId('rows').addEventListener('scroll', drawRows);
  addEventListener('resize', () => { draw(); drawRows(); });
  filterRows();
  drawNow();

  // For whoever wants to point at a build from outside, such as a test: where it is in the window.
  globalThis.nixBuildReport = {
    run,
    view: () => ({ ...view }),
    placeOf: index => placeOf(itemOf[index]),
    placeOfCopy: number => placeOf(items.find(item => item.copy === run.copies[number])),
  };
  function placeOf(item) {
    const box = canvas.getBoundingClientRect();
    return item && { x: box.left + toX((item.start + item.end) / 2), y: box.top + laneTop(item.row, item.lane) - gantt.scrollTop + LaneHeight / 2 };
  }
})();

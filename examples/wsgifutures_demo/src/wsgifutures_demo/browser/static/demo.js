// Starts runs of the slow service, and draws their progress.
//
// This script asks the service and not Plone, since Plone would not answer during a run of the
// blocking page. The script also measures how long another visitor of this Plone waits meanwhile.
"use strict";

(() => {
  const LEFT = 12;
  const RIGHT = 488;
  const TOP = 12;
  const LINE = 1.8; // height of one request
  const POLL = 250; // milliseconds
  const SCALES = [[5, 1], [10, 2], [20, 5], [30, 5], [60, 10], [120, 20]]; // seconds, step

  const root = document.getElementById("futures-runs");
  const { service, site } = root.dataset;
  const problem = document.getElementById("futures-problem");
  const figures = Array.from(root.querySelectorAll("figure"));
  const visits = {}; // by page: how long visitors waited, in seconds

  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const inSeconds = (number) => `${number.toFixed(1)} s`;

  function draw(svg, name, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) {
      element.setAttribute(key, value);
    }
    element.textContent = text || "";
    svg.append(element);
  }

  function lastSecond(run) {
    return run.ended ? Math.max(...run.finished.map(([at]) => at)) : run.elapsed;
  }

  function drawAxis(svg, scale, step, bottom, x) {
    for (let second = 0; second <= scale; second += step) {
      draw(svg, "line", { class: "tick", x1: x(second), x2: x(second), y1: TOP, y2: bottom });
      const unit = second === scale ? " s" : "";
      draw(svg, "text", { x: Math.min(x(second), RIGHT - 8), y: bottom + 16 }, second + unit);
    }
  }

  function drawRun(svg, run, requests, [scale, step]) {
    const x = (second) => LEFT + ((RIGHT - LEFT) * second) / scale;
    svg.replaceChildren();
    drawAxis(svg, scale, step, TOP + requests * LINE, x);
    for (let i = 0; run && i < requests; i += 1) {
      const [at, status] = run.finished[i] || [run.elapsed, null];
      const kind = { null: "waiting", 200: "answered" }[status] || "failed";
      const y = TOP + (i + 0.5) * LINE;
      draw(svg, "line", { class: kind, x1: x(0), x2: x(at), y1: y, y2: y, "stroke-width": 1.3 });
    }
  }

  function facts(run, page) {
    const times = run.finished.map(([at]) => at);
    const failed = run.finished.filter(([, status]) => status !== 200).length;
    const waited = visits[page] || [];
    const rows = [];
    if (times.length) {
      rows.push(["Answers after", `${inSeconds(times[0])} to ${inSeconds(times.at(-1))}`]);
    }
    if (failed) {
      rows.push(["Failed or without an answer", String(failed)]);
    }
    if (waited.length) {
      rows.push(["Another visitor waited at most", inSeconds(Math.max(...waited))]);
    }
    return rows;
  }

  function describe(figure, run, requests) {
    const answered = run.finished.length;
    const going = run.ended ? "" : `, ${inSeconds(run.elapsed)} so far`;
    figure.querySelector(".futures-state").textContent = `${answered} of ${requests} answered${going}`;
    const rows = facts(run, figure.dataset.page).map(([name, value]) => {
      const row = [document.createElement("dt"), document.createElement("dd")];
      row[0].textContent = name;
      row[1].textContent = value;
      return row;
    });
    figure.querySelector("dl").replaceChildren(...rows.flat());
  }

  function show({ runs, requests }) {
    const longest = Math.max(0, ...Object.values(runs).map(lastSecond));
    const scale = SCALES.find(([seconds]) => seconds >= longest) || SCALES.at(-1);
    for (const figure of figures) {
      const run = runs[figure.dataset.page];
      drawRun(figure.querySelector("svg"), run, requests, scale);
      if (run) {
        describe(figure, run, requests);
      }
    }
  }

  async function ask(path, options) {
    let answer;
    try {
      answer = await fetch(service + path, options);
    } catch {
      throw new Error(`The slow service does not answer at ${service}. Is it running?`);
    }
    const data = await answer.json();
    if (!answer.ok) {
      throw new Error(`The slow service says: ${data.error}.`);
    }
    return data;
  }

  async function follow() {
    for (;;) {
      const progress = await ask("/progress");
      show(progress);
      if (!progress.running) {
        return;
      }
      visit(progress.running);
      await pause(POLL);
    }
  }

  // Visits the front page, one visit at a time.
  async function visit(page) {
    if (visits.underWay) {
      return;
    }
    const began = performance.now();
    const waited = () => (performance.now() - began) / 1000;
    const times = (visits[page] = visits[page] || []);
    const position = times.push(0) - 1;
    const clock = setInterval(() => (times[position] = waited()), 100);
    visits.underWay = true;
    try {
      await fetch(site, { cache: "no-store", credentials: "omit" });
    } catch {
      // Plone has stopped; the run shows that itself.
    }
    clearInterval(clock);
    times[position] = waited();
    visits.underWay = false;
  }

  function enableButtons(enabled) {
    for (const button of root.querySelectorAll("button")) {
      button.disabled = !enabled;
    }
  }

  async function report(work) {
    problem.hidden = true;
    try {
      await work();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    enableButtons(true);
  }

  for (const figure of figures) {
    const { page } = figure.dataset;
    figure.querySelector("button").addEventListener("click", () =>
      report(async () => {
        enableButtons(false);
        delete visits[page];
        await ask(`/run?page=${page}`, { method: "POST" });
        await follow();
      }),
    );
  }

  report(follow);
})();

// The plot of quality, with uPlot: VMAF of each rendition in steps over its bit rate; what is
// clicked is played. Without it the server's own drawing stays, and all links work.

const place = document.getElementById("quality-plot");
const told = document.getElementById("quality-told");
const DASHES = [[], [8, 3], [2, 3], [10, 3, 2, 3], [5, 5], [1, 5]];
const HEIGHT = 300;

function play(seconds) {
  document.dispatchEvent(new CustomEvent("film:seek", { detail: { seconds } }));
}

document.getElementById("quality")?.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-seek]");
  // Without a player on the page, the link leads to where one is.
  if (!link || !document.getElementById("film")) return;
  event.preventDefault();
  play(Number(link.dataset.seek));
});

const asked = Number(new URLSearchParams(window.location.search).get("t"));
if (asked > 0) window.addEventListener("load", () => play(asked));

function colour(number) {
  const probe = place.querySelector(`.curve-${number % 6}`);
  return probe ? getComputedStyle(probe).stroke : "currentColor";
}

function clock(seconds) {
  const rest = (seconds % 60).toFixed(2).padStart(5, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}

function values(renditions) {
  // One x for all: where any segment begins, and the end of the last one.
  const starts = new Set();
  for (const one of renditions) {
    for (const segment of one.segments) starts.add(segment.start);
    const last = one.segments[one.segments.length - 1];
    starts.add(last.start + last.duration);
  }
  const x = [...starts].sort((one, other) => one - other);
  const rows = [];
  for (const name of ["vmaf", "bitrate"]) {
    for (const one of renditions) {
      let at = 0;
      rows.push(
        x.map((start) => {
          while (at + 1 < one.segments.length && one.segments[at + 1].start <= start) at += 1;
          return name === "vmaf" ? one.segments[at].vmaf : one.segments[at].bitrate / 1000;
        }),
      );
    }
  }
  return [x, ...rows];
}

function marks(first, edge) {
  // Key frames as ticks at the bottom, joins of chunks as upright dashes.
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = edge;
    for (const segment of first.segments) {
      const x = Math.round(plot.valToPos(segment.start, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      const joins = segment.begins_chunk && segment.start > 0;
      ctx.setLineDash(joins ? [6, 4] : []);
      ctx.beginPath();
      ctx.moveTo(x, joins ? bbox.top : bbox.top + bbox.height - 8);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

function draw(found) {
  const renditions = found.renditions;
  const style = getComputedStyle(document.body);
  const edge = getComputedStyle(place.querySelector(".rule")).stroke;
  const stepped = window.uPlot.paths.stepped({ align: 1 });
  const line = (one, number, scale) => ({
    label: scale === "vmaf" ? one.name : `${one.name}, kbit/s`,
    scale,
    stroke: colour(number),
    width: scale === "vmaf" ? 2 : 1,
    alpha: scale === "vmaf" ? 1 : 0.45,
    dash: DASHES[number % DASHES.length],
    paths: stepped,
    points: { show: false },
    value: (_, value) => (value === null ? "" : value.toFixed(scale === "vmaf" ? 1 : 0)),
  });
  const axis = { stroke: style.color, grid: { stroke: edge }, ticks: { stroke: edge } };
  const still = place.querySelector("svg");
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    cursor: { drag: { x: true, y: false } },
    scales: { x: { time: false }, vmaf: { range: [0, 100] }, rate: { range: (_, low, high) => [0, high * 1.1] } },
    series: [
      { label: "At", value: (_, value) => (value === null ? "" : clock(value)) },
      ...renditions.map((one, number) => line(one, number, "vmaf")),
      ...renditions.map((one, number) => line(one, number, "rate")),
    ],
    axes: [
      { ...axis, values: (_, splits) => splits.map((value) => clock(value).replace(/\.00$/, "")) },
      { ...axis, scale: "vmaf", label: "VMAF" },
      { ...axis, scale: "rate", side: 1, label: "kbit/s", grid: { show: false } },
    ],
    hooks: { draw: [marks(renditions[0], edge)] },
  };
  const plot = new window.uPlot(options, values(renditions), place);
  still.classList.add("unseen");
  const segments = renditions[0].segments;
  let here = 0;

  function choose(number, plays) {
    here = Math.max(0, Math.min(segments.length - 1, number));
    const segment = segments[here];
    plot.setCursor({ left: plot.valToPos(segment.start + segment.duration / 2, "x"), top: 0 });
    const figures = renditions.map((one) => {
      const its = one.segments.findLast((other) => other.start <= segment.start + 1e-3);
      return `${one.name} ${its.vmaf.toFixed(1)} at ${Math.round(its.bitrate / 1000)} kbit/s`;
    });
    told.textContent = `${clock(segment.start)}: ${figures.join(", ")}`;
    if (plays) play(segment.start);
  }

  let pressed = 0;
  plot.over.addEventListener("pointerdown", (event) => (pressed = event.clientX));
  plot.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - pressed) > 4) return; // a stretch was chosen to be looked at
    const box = plot.over.getBoundingClientRect();
    const seconds = plot.posToVal(event.clientX - box.left, "x");
    choose(segments.findLastIndex((one) => one.start <= seconds), true);
  });
  place.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) choose(here + step, false);
    else if (event.key === "Enter") choose(here, true);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
}

if (place && window.uPlot) {
  fetch(place.dataset.figures, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
    .then((found) => found.renditions.length && draw(found))
    .catch(() => {
      // The drawing of the server stays.
    });
}

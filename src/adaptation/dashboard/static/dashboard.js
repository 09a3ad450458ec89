// What pages do beyond links and forms: ask before harm, tell whether they are live, and look
// again where parts cannot be told one by one. Without it, and without htmx, all pages work.

const LATE_SECONDS = 5;

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
});

const standing = document.getElementById("live");
let last = Date.now();
let connected = false;

function show() {
  if (!standing) return;
  // What has ended changes no more.
  standing.hidden = !document.querySelector("[data-live]");
  standing.classList.toggle("lost", !connected);
  const ago = Math.round((Date.now() - last) / 1000);
  standing.textContent = connected ? "live" : `reconnecting, last update ${ago} s ago`;
}

document.addEventListener("htmx:sse:after:connection", () => {
  connected = true;
  last = Date.now();
  show();
});
for (const name of ["htmx:sse:error", "htmx:sse:close"]) {
  document.addEventListener(name, () => {
    connected = false;
    show();
  });
}

// The queue: rows that are there change by themselves; for the counts, for new jobs and for what
// fits a filter no more, the list is asked for again, seldom.
let asked = 0;
let timer = 0;
function lookAgain() {
  const fresh = document.getElementById("fresh");
  if (!fresh || timer) return;
  const wait = Math.max(0, 2000 - (Date.now() - asked));
  timer = window.setTimeout(() => {
    timer = 0;
    asked = Date.now();
    window.htmx?.trigger(fresh, "refresh");
  }, wait);
}

document.addEventListener("htmx:sse:after:message", () => {
  connected = true;
  last = Date.now();
  show();
  lookAgain();
});

// A page that is asked for again, part by part, is as live as its last answer.
document.addEventListener("page:fresh", () => {
  connected = true;
  last = Date.now();
  show();
});
document.addEventListener("htmx:error", () => {
  if (!document.querySelector("[data-again]")) return;
  connected = false;
  show();
});

window.setInterval(() => {
  if (!connected) {
    show();
    if (Date.now() - last > LATE_SECONDS * 1000) lookAgain();
  }
}, 1000);

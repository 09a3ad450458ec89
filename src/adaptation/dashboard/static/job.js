// A job's page: the log follows what is logged until its reader turns back, and all that changes
// by itself can be held. Without it the page is the same, and still.

const MOST_LINES = 2000;
const NEAR_PIXELS = 8;

let following = true;
let wrapped = true;
let held = null;

const isAtEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PIXELS;

function press(id, isOn) {
  document.getElementById(id)?.setAttribute("aria-pressed", String(isOn));
}

// What a stream tells again after it was broken off is there already.
function once(log) {
  const seen = new Set();
  for (const line of [...log.children]) {
    if (seen.has(line.id)) line.remove();
    seen.add(line.id);
  }
}

function tail() {
  const log = document.getElementById("log");
  if (!log) return;
  if (log.dataset.count !== String(log.children.length)) {
    once(log);
    while (following && log.children.length > MOST_LINES) log.firstElementChild.remove();
    log.dataset.count = log.children.length;
    if (following) log.scrollTop = log.scrollHeight;
  }
  log.classList.toggle("unwrapped", !wrapped);
  press("follow", following);
  press("wrap", wrapped);
}

function follow(isOn) {
  following = isOn;
  press("follow", isOn);
  const log = document.getElementById("log");
  if (log && isOn) log.scrollTop = log.scrollHeight;
}

// Scrolling does not bubble: it is heard on its way down.
document.addEventListener(
  "scroll",
  (event) => {
    if (event.target.id === "log" && isAtEnd(event.target) !== following) {
      following = isAtEnd(event.target);
      press("follow", following);
    }
  },
  true,
);

function hold(button) {
  const stream = document.getElementById("stream");
  if (!held && stream) {
    held = stream;
    stream.remove();
    button.textContent = `Held since ${new Date().toLocaleTimeString()}: go on`;
  } else if (held) {
    // A new element: a stream begins with how all stands, and the lines after the last one here.
    const again = held.cloneNode(false);
    const url = new URL(again.getAttribute("hx-sse:connect"), window.location.href);
    const last = document.getElementById("log")?.lastElementChild?.id.replace("line-", "");
    if (last && last > Number(url.searchParams.get("after"))) url.searchParams.set("after", last);
    again.setAttribute("hx-sse:connect", url.pathname + url.search);
    for (const name of [...again.attributes].map((one) => one.name)) {
      if (name.startsWith("data-htmx")) again.removeAttribute(name);
    }
    document.getElementById("log-part").append(again);
    window.htmx?.process(again);
    held = null;
    button.textContent = "Hold what changes";
  }
  button.setAttribute("aria-pressed", String(held !== null));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.id === "follow") follow(!following);
  if (button?.id === "hold") hold(button);
  if (button?.id === "wrap") {
    wrapped = !wrapped;
    tail();
  }
});

for (const name of ["htmx:after:swap", "htmx:sse:after:message"]) {
  document.addEventListener(name, tail);
}
tail();

// Keeps a page that is open honest: asks whether what is behind the server answers, says since
// when what is shown is old, and looks again at what no stream tells of.

const ASK_MS = 5000;
const LEAST_MS = 1000;
const SLACK_MS = 100;
const trouble = document.getElementById("trouble");
let good = Date.now();

function say(sentence) {
  if (!sentence) {
    trouble.replaceChildren();
    return;
  }
  if (!trouble.firstElementChild) {
    const banner = trouble.appendChild(document.createElement("p"));
    banner.className = "banner trouble";
    banner.append(document.createElement("strong"), document.createElement("span"));
    // It changes all the time: whoever listens to the page is told of the trouble once.
    banner.lastElementChild.setAttribute("aria-hidden", "true");
  }
  const [told, age] = trouble.firstElementChild.children;
  if (told.textContent !== `✕ ${sentence}`) told.textContent = `✕ ${sentence}`;
  age.textContent = ` What you see is ${Math.round((Date.now() - good) / 1000)} s old.`;
}

async function ask() {
  if (document.visibilityState === "hidden" || !document.querySelector("[data-live]")) return;
  try {
    const answer = await fetch("/readyz");
    if (answer.status === 503) {
      say((await answer.json()).error);
      return;
    }
    good = Date.now();
    say("");
  } catch {
    say("The server does not answer.");
  }
}

if (trouble) {
  window.setInterval(ask, ASK_MS);
  ask();
}

const again = document.querySelector("[data-again]");
if (again && window.htmx) {
  const look = () => {
    if (document.visibilityState !== "hidden") window.htmx.trigger(again, "refresh");
  };
  window.setInterval(look, Number(again.dataset.again) * 1000);
  // Whoever should have been heard by now is missed at once, not when the page's turn comes.
  let missing = 0;
  const expect = () => {
    const due = [...document.querySelectorAll("[data-due]")].map((one) => Number(one.dataset.due));
    window.clearTimeout(missing);
    if (!due.length) return;
    const wait = Math.max(LEAST_MS, Math.min(...due) * 1000 + SLACK_MS);
    missing = window.setTimeout(look, wait);
  };
  again.addEventListener("htmx:after:swap", () => {
    document.dispatchEvent(new CustomEvent("page:fresh"));
    expect();
  });
  expect();
}

// What the queue's page does for whoever has scripts: choose all jobs, tell how many are chosen,
// and copy a job's command. Without it each box is ticked by hand, and the command is a page.

const SAID_MS = 2000;
const all = document.getElementById("all");

function boxes() {
  return [...document.querySelectorAll("#jobs input[name=id]")];
}

function tellChosen() {
  const chosen = document.getElementById("chosen");
  if (!chosen) return;
  const number = boxes().filter((box) => box.checked).length;
  chosen.textContent = number === 1 ? "1 job chosen:" : `${number} jobs chosen:`;
  if (all) {
    all.checked = number > 0 && number === boxes().length;
    all.indeterminate = number > 0 && !all.checked;
  }
}

if (all) {
  all.parentElement.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    tellChosen();
  });
  document.addEventListener("change", tellChosen);
  // Rows come and go while the page is open.
  document.addEventListener("htmx:after:swap", tellChosen);
  tellChosen();
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-copy-of]");
  // Pages that came neither from this machine nor over HTTPS are not given the clipboard.
  if (!link || !navigator.clipboard) return;
  event.preventDefault();
  const words = (link.dataset.words ??= link.textContent);
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(`${answer.status}`);
    await navigator.clipboard.writeText((await answer.text()).trim());
    link.textContent = "✓ copied";
    window.setTimeout(() => (link.textContent = words), SAID_MS);
  } catch {
    window.location.assign(link.href);
  }
});

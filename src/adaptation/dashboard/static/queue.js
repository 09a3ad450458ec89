// What the queue's page does for whoever has scripts: choose all jobs, and tell how many are chosen.
// Without it each box is ticked by hand.

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

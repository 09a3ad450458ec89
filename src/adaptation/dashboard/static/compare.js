// Lays the picture of the rendition over that of the source, and wipes between them. Without it they
// stand beside each other.

const pair = document.getElementById("pair");
const button = document.getElementById("over");
const range = document.getElementById("wipe");

function wipe() {
  pair.style.setProperty("--wiped", `${range.value}%`);
  range.setAttribute("aria-valuetext", `the left ${range.value} % are the source's`);
}

button?.addEventListener("click", () => {
  const isOver = pair.classList.toggle("over");
  button.setAttribute("aria-pressed", String(isOver));
  document.getElementById("wiping").hidden = !isOver;
  if (isOver) range.focus();
});
range?.addEventListener("input", wipe);
if (range) wipe();

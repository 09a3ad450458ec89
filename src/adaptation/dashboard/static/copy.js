// Copies what a page shows: `data-copy` of a button names the element whose text is taken.
// Buttons that need scripts are seen only where there are any.

const SHOWN_MS = 2000;

document.documentElement.classList.add("scripts");

async function copied(element) {
  const text = element.value ?? element.textContent;
  // Only pages from this machine or over HTTPS are given the clipboard.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const range = document.createRange();
  range.selectNodeContents(element);
  const chosen = window.getSelection();
  chosen.removeAllRanges();
  chosen.addRange(range);
  if (!document.execCommand("copy")) throw new Error("not copied");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  const element = button && document.getElementById(button.dataset.copy);
  if (!element) return;
  const words = (button.dataset.words ??= button.textContent);
  const label = (button.dataset.label ??= button.getAttribute("aria-label") ?? words);
  // What stands on it is what it is called.
  button.removeAttribute("aria-label");
  try {
    await copied(element);
    button.textContent = "✓ Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
  }
  window.setTimeout(() => {
    button.textContent = words;
    button.setAttribute("aria-label", label);
  }, SHOWN_MS);
});

// Copies what a page shows: `data-copy` of a button names the element whose text is taken, a link
// with `data-copy-of` leads to the text. Buttons that need scripts are seen only where there are any.

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

// What stands on it is what it is called, until it is what it was.
function tell(button, words) {
  const before = (button.dataset.words ??= button.textContent);
  const label = (button.dataset.label ??= button.getAttribute("aria-label") ?? before);
  button.removeAttribute("aria-label");
  button.textContent = words;
  window.setTimeout(() => {
    button.textContent = before;
    button.setAttribute("aria-label", label);
  }, SHOWN_MS);
}

async function fetched(link) {
  const answer = await fetch(link.href);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return (await answer.text()).trim();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  const element = button && document.getElementById(button.dataset.copy);
  if (!element) return;
  try {
    await copied(element);
    tell(button, "✓ Copied");
  } catch {
    tell(button, "Press Ctrl+C");
  }
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-copy-of]");
  if (!link || !navigator.clipboard) return;
  event.preventDefault();
  try {
    await navigator.clipboard.writeText(await fetched(link));
    tell(link, "✓ Copied");
  } catch {
    window.location.assign(link.href);
  }
});

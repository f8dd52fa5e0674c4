// Closes error messages as soon as the user does something: the message was about what the page contained before.
(() => {
  const MIN_AGE_MS = 400; // a click may still be about to cause the message
  const seen = new WeakMap(); // close button of a message → when it was first seen

  const closeButtons = () => document.querySelectorAll(".toast-body .toast-close");
  const closeOld = (event) => {
    if (event.target instanceof Element && event.target.closest(".toast-wrap, .toast-body")) return;
    const now = performance.now();
    closeButtons().forEach((button) => { if (now - (seen.get(button) ?? now) > MIN_AGE_MS) button.click(); });
  };

  new MutationObserver(() => {
    closeButtons().forEach((button) => { if (!seen.has(button)) seen.set(button, performance.now()); });
  }).observe(document.documentElement, { childList: true, subtree: true });
  ["change", "input", "drop", "paste"].forEach((type) => document.addEventListener(type, closeOld, true));
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("button, input, label, [role=tab]")) closeOld(event);
  }, true);
})();

/** The contrast of a page's texts, measured inside the page (WCAG 2.2, success criterion 1.4.3). */

/** Texts that stand out less than 4.5 : 1 from what is behind them. Its text runs in the browser, by itself. */
(() => {
  const least = 4.5;
  const partsOf = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [r = 0, g = 0, b = 0] = partsOf(colour).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    if (element === null) return 'rgb(255, 255, 255)';
    const { backgroundColor } = getComputedStyle(element);
    return partsOf(backgroundColor)[3] === 0 ? groundOf(element.parentElement) : backgroundColor;
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement, textContent } = walker.currentNode;
    if (parentElement === null || !textContent?.trim() || !parentElement.checkVisibility()) continue;
    const [a, b] = [luminance(getComputedStyle(parentElement).color), luminance(groundOf(parentElement))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least) found.add(`${textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return [...found];
})();

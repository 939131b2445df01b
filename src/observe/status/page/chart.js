/** Lines over the last hour, in the colours of the page, with a legend that says what is under the pointer. */
import { element, say } from './tables.js';

const colour = (name) => {
  // A canvas takes no `light-dark()`: ask an element what comes of it.
  const probe = element('i', { hidden: '' });
  document.body.append(probe);
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

/** A shorter time would be drawn as if much went on. */
const leastSeconds = 600;

/** `series` are `{label, colour, value, format}`; `value` reads a point of the history. */
export function createChart(box, legend, series, { format, fill }) {
  let chart = null;
  let points = [];
  const entries = series.map((one) => {
    const value = element('b');
    const item = element('span', {}, element('i'), `${one.label} `, value);
    item.firstElementChild.style.setProperty('--swatch', `var(--${one.colour})`);
    legend.append(item);
    return value;
  });
  const at = element('span');
  legend.append(at);

  function describe(index) {
    const point = points[index ?? points.length - 1];
    for (const [i, one] of series.entries()) say(entries[i], point ? one.format(one.value(point)) : '–');
    say(at, point && index !== null ? `at ${new Date(point.atMs).toLocaleTimeString('en-GB')}` : '');
  }

  function draw() {
    chart?.destroy();
    const [ink, grid] = [colour('soft'), colour('edge')];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    chart = new globalThis.uPlot(
      {
        width: box.clientWidth,
        height: box.clientHeight,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        scales: {
          x: { range: (_, low, high) => [Math.min(low, high - leastSeconds), high] },
          y: { range: (_, low, high) => [0, Math.max(1, high ?? 1) * 1.1] },
        },
        axes: [
          { ...axis, values: '{HH}:{mm}', space: 70, size: 30, incrs: [60, 120, 300, 600, 900, 1800] },
          { ...axis, size: 72, space: 34, values: (_, ticks) => ticks.map((tick) => (tick % 1 ? '' : format(tick))) },
        ],
        series: [
          {},
          ...series.map((one) => {
            const stroke = colour(one.colour);
            return {
              label: one.label,
              stroke,
              width: 1.75,
              points: { show: false },
              ...(fill && { fill: stroke.replace('rgb(', 'rgba(').replace(')', ', 0.12)') }),
            };
          }),
        ],
        hooks: { setCursor: [(self) => describe(self.cursor.idx ?? null)] },
      },
      data(),
      box,
    );
  }

  function data() {
    return [points.map(({ atMs }) => atMs / 1000), ...series.map(({ value }) => points.map(value))];
  }

  new ResizeObserver(() => chart?.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

  return {
    show(next) {
      points = next;
      if (chart) chart.setData(data());
      else draw();
      if (!chart.cursor.idx) describe(null);
    },
  };
}

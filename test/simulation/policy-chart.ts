/** What the chart shows of a record. */
export type Bar = {
  readonly trace: string;
  readonly hardware: string;
  readonly baseline: string;
  readonly percentOfBound: number;
  readonly loads: number;
  readonly waitSP99: number;
};

/** The contestants that are drawn, in the order of the bars; colours that differ in light and dark, and for the colour-blind (Okabe and Ito). */
const DRAWN = [
  { baseline: 'ours', title: 'ours', colour: '#0072B2' },
  { baseline: 'ours-on-ollama', title: 'ours on Ollama', colour: '#56B4E9' },
  { baseline: 'llama-swap', title: 'llama-swap', colour: '#E69F00' },
  { baseline: 'smart-proxy', title: 'smart proxy', colour: '#CC79A7' },
  { baseline: 'static-priority', title: 'priority queue', colour: '#999999' },
  { baseline: 'ollama-fifo-4', title: 'Ollama, 4 slots', colour: '#D55E00' },
  { baseline: 'ollama-fifo-1', title: 'Ollama, 1 slot', colour: '#B04040' },
] as const;

const BAR = 8;
const GAP = 14;
const LEFT = 120;
const WIDTH = 300;
const TOP = 64;

/** Two columns of bars for each trace, means over the machines: percent of the lower bound of the makespan, and model loads (logarithmic). */
export const policyChart = (bars: readonly Bar[]): string => {
  const traces = [...new Set(bars.map(({ trace }) => trace))];
  const height = traces.length * (DRAWN.length * BAR + GAP);
  const rows = traces.map((trace, place) => row(trace, bars, TOP + place * (DRAWN.length * BAR + GAP)));
  const legend = DRAWN.map(
    ({ title, colour }, place) =>
      `<rect x="${LEFT + place * 118}" y="16" width="10" height="10" fill="${colour}"/><text x="${LEFT + place * 118 + 14}" y="25">${title}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + 2 * WIDTH + 260} ${TOP + height + 10}" font-family="sans-serif" font-size="11">
<style>text{fill:#222}.axis{stroke:#8886}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
${legend.join('\n')}
<text x="${LEFT}" y="50" font-weight="bold">makespan, % of the lower bound (100 cannot be beaten)</text>
<text x="${LEFT + WIDTH + 60}" y="50" font-weight="bold">model loads (logarithmic)</text>
${rows.join('\n')}
</svg>
`;
};

const row = (trace: string, bars: readonly Bar[], y: number): string => {
  const parts = [
    `<text x="${LEFT - 8}" y="${y + (DRAWN.length * BAR) / 2 + 4}" text-anchor="end">${trace}</text>`,
  ];
  for (const [place, { baseline, colour }] of DRAWN.entries()) {
    const some = bars.filter((bar) => bar.trace === trace && bar.baseline === baseline);
    if (some.length === 0) continue;
    const at = y + place * BAR;
    const percent = meanOf(some, 'percentOfBound');
    const loads = meanOf(some, 'loads');
    parts.push(bar(LEFT, at, (percent / 100) * WIDTH, colour, percent.toFixed(0)));
    parts.push(
      bar(LEFT + WIDTH + 60, at, (Math.log10(Math.max(1, loads)) / 4) * WIDTH, colour, loads.toFixed(0)),
    );
  }
  parts.push(
    `<line class="axis" x1="${LEFT}" y1="${y - 4}" x2="${LEFT}" y2="${y + DRAWN.length * BAR + 2}"/>`,
  );
  parts.push(
    `<line class="axis" x1="${LEFT + WIDTH}" y1="${y - 4}" x2="${LEFT + WIDTH}" y2="${y + DRAWN.length * BAR + 2}" stroke-dasharray="3 3"/>`,
  );
  return parts.join('\n');
};

const bar = (x: number, y: number, width: number, colour: string, text: string): string =>
  `<rect x="${x}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 1}" fill="${colour}"/><text x="${(x + width + 4).toFixed(1)}" y="${y + BAR - 1}" font-size="8">${text}</text>`;

const meanOf = (bars: readonly Bar[], name: 'percentOfBound' | 'loads'): number =>
  bars.reduce((sum, one) => sum + one[name], 0) / bars.length;

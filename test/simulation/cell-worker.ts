import { parentPort } from 'node:worker_threads';
import { CONTESTANTS } from './contestants.js';
import { runCell, type Cell } from './policy-cells.js';

/** Runs one cell after the other, as they are sent. */
parentPort?.on('message', (cell: Cell) => parentPort?.postMessage(runCell(cell, CONTESTANTS)));

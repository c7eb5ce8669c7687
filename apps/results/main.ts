import { runService } from '#libs/runtime/run-service.js';
import { loadResultsConfig } from './results.config.js';
import { startResults } from './start-results.js';

await runService('results', loadResultsConfig, startResults);

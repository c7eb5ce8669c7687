import { runService } from '#libs/runtime/run-service.js';
import { loadSchedulerConfig } from './scheduler.config.js';
import { startScheduler } from './start-scheduler.js';

await runService('scheduler', loadSchedulerConfig, startScheduler);

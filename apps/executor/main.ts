import { runService } from '#libs/runtime/run-service.js';
import { loadExecutorConfig } from './executor.config.js';
import { startExecutor } from './start-executor.js';

await runService('executor', loadExecutorConfig, startExecutor);

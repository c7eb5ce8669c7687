import { runService } from '#libs/runtime/run-service.js';
import { loadGatewayConfig } from './gateway.config.js';
import { startGateway } from './start-gateway.js';

await runService('gateway', loadGatewayConfig, startGateway);

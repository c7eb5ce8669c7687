import { runService } from '#libs/runtime/run-service.js';
import { loadAllocatorConfig } from './allocator.config.js';
import { startAllocator } from './start-allocator.js';

await runService('gpu-allocator', loadAllocatorConfig, startAllocator);

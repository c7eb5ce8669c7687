#!/usr/bin/env node
import './node-version.js';
import { Command, CommanderError } from 'commander';
import { packageVersion } from '#libs/runtime/version.js';
import { optionWithEnv } from './arguments.js';
import { Api } from './client/api.js';
import { addArtifactCommands } from './commands/artifacts.js';
import { addBacktestCommand } from './commands/backtest.js';
import { addEventsCommand } from './commands/events.js';
import { addInboxCommands } from './commands/inbox.js';
import { addListCommand } from './commands/list.js';
import { addNotificationCommands } from './commands/notifications.js';
import { addPauseCommands } from './commands/pauses.js';
import { addPlatformCommands } from './commands/platform.js';
import { addPluginCommands } from './commands/plugins.js';
import { addQueueCommand } from './commands/queue.js';
import { addRebuildCommand } from './commands/rebuild.js';
import { addScheduleCommands } from './commands/schedules.js';
import { addSecretCommands } from './commands/secrets.js';
import { addServerCommands } from './commands/servers.js';
import { addSubmitCommand } from './commands/submit.js';
import { addTaskCommands } from './commands/tasks.js';
import { addTemplateCommands } from './commands/templates.js';
import { addUpCommand } from './commands/up.js';
import { addVerifyCommand } from './commands/verify.js';
import { addWorkflowCommands } from './commands/workflow.js';
import { addDemoCommand } from './demo/demo.js';
import { CommandError, EXIT, EXIT_MEANINGS } from './exit-codes.js';
import { createOutput, type Output } from './output.js';
import type { Session } from './session.js';

const exitTable = Object.entries(EXIT)
  .map(([name, code]) => `${String(code).padStart(5)}  ${EXIT_MEANINGS[name as keyof typeof EXIT]}`)
  .join('\n');

const program = new Command('orchestra')
  .description('AI tasks on machines that you own')
  .version(packageVersion())
  .addOption(
    optionWithEnv('--url <url>', 'address of the API', 'ORCHESTRA_URL').default('http://127.0.0.1:8000'),
  )
  .option('--json', 'data as JSON on stdout')
  .addHelpText('after', `\nExit codes:\n${exitTable}\n\nORCHESTRA_API_KEY is sent as the API key.`)
  .showHelpAfterError('(orchestra --help and orchestra <command> --help say what there is)')
  .exitOverride();

const output = (): Output => createOutput(program.opts<{ json?: boolean }>().json === true);
const session = (): Session => ({
  api: new Api({
    url: program.opts<{ url: string }>().url.replace(/\/+$/, ''),
    apiKey: process.env['ORCHESTRA_API_KEY'] || undefined,
  }),
  out: output(),
});

addUpCommand(program, output);
addDemoCommand(program, output);
addSubmitCommand(program, session);
addListCommand(program, session);
addTaskCommands(program, session);
addArtifactCommands(program, session);
addWorkflowCommands(program, session);
addScheduleCommands(program, session);
addInboxCommands(program, session);
addQueueCommand(program, session);
addPauseCommands(program, session);
addNotificationCommands(program, session);
addEventsCommand(program, output);
addVerifyCommand(program, output);
addBacktestCommand(program, output);
addRebuildCommand(program, output);
addTemplateCommands(program, session);
addServerCommands(program, session);
addSecretCommands(program, output);
addPluginCommands(program, session);
addPlatformCommands(program, session);

// Whoever reads our output may have had enough of it (`| head`).
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed);
  });

try {
  await program.parseAsync();
  process.exitCode = EXIT.ok;
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const known = error instanceof CommandError;
  process.stderr.write(
    `${known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return known ? error.exitCode : EXIT.failed;
}

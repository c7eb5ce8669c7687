/** A worker of the step type of its first argument, at the broker of NATS_URL. Its steps wait for as long as they are told (`again_ms`: from the second attempt on), and say who they are. */
import { connect } from '@nats-io/transport-node';

const [type, worker] = process.argv.slice(2);
const { protocol, host, username, password } = new URL(process.env.NATS_URL);
const broker = await connect({
  servers: `${protocol}//${host}`,
  ...(username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
});
const runs = new Map();
const publish = (subject, message) => broker.publish(subject, JSON.stringify({ worker, ...message }));
const say = (run, message) => publish(`plugin.from.${type}`, { run, ...message });
const manifest = {
  name: type,
  version: '1.0.0',
  input: {
    type: 'object',
    properties: { wait_ms: { type: 'integer' }, again_ms: { type: 'integer' } },
    required: ['wait_ms'],
  },
  output: { type: 'object', properties: { worker: { type: 'string' } }, required: ['worker'] },
};
const hello = () => publish(`plugin.hello.${type}`, { manifest, slots: 10, runs: [...runs.keys()] });

broker.subscribe(`plugin.to.${type}.${worker}`, {
  callback: (_error, message) => {
    const order = message.json();
    if (order.kind === 'cancel') {
      clearTimeout(runs.get(order.run));
      runs.delete(order.run);
      process.stdout.write(`cancelled ${order.run}\n`);
    }
    if (order.kind !== 'run' || runs.has(order.run)) return;
    const { input, run, attempt } = order;
    say(run, { kind: 'accept' });
    say(run, { kind: 'progress', message: `begun by ${worker}` });
    // What was said before has arrived.
    void broker.flush().then(() => process.stdout.write(`begun ${run}\n`));
    const done = () => {
      runs.delete(run);
      if (input.fail) say(run, { kind: 'fail', message: input.fail, retry: input.retry });
      else say(run, { kind: 'complete', output: input.output ?? { worker, attempt } });
    };
    runs.set(run, setTimeout(done, attempt > 1 ? (input.again_ms ?? input.wait_ms) : input.wait_ms));
  },
});
hello();
setInterval(hello, 500);
await broker.flush();
process.stdout.write('ready\n');

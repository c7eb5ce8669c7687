import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { followStream } from '#libs/event-log/jetstream/follow-stream.js';
import type { ArtifactShelf, ShelvedObject } from './artifact-store.js';
import {
  ALL_CHUNKS,
  ALL_METAS,
  chunkSubject,
  metaSubject,
  OBJECT_STREAM,
  type ObjectMeta,
} from './object-layout.js';
import { storedMeta } from './stored-meta.js';

/** Counting what a large store holds may take the broker a while. */
const TIMEOUT_MS = 10_000;

/** The shelf of the object store that the launcher has made: what the one service that collects may do. */
export const jetStreamArtifactShelf = (connection: NatsConnection): ArtifactShelf => {
  const manager = async (): Promise<JetStreamManager> =>
    await jetstreamManager(connection, { checkAPI: false, timeout: TIMEOUT_MS });
  const purge = async (filter: string): Promise<void> =>
    void (await (await manager()).streams.purge(OBJECT_STREAM, { filter }));
  const metas = (): AsyncGenerator<ObjectMeta, void, void> => allMetas(connection, manager);
  return {
    async usage() {
      const { state, config } = await (await manager()).streams.info(OBJECT_STREAM);
      return { usedBytes: state.bytes, maxBytes: config.max_bytes };
    },
    async *objects() {
      for await (const { name, size, mtime } of metas())
        yield { object: name, sizeBytes: size, storedMs: Date.parse(mtime) } satisfies ShelvedObject;
    },
    async leftovers() {
      const asked = await manager();
      // Chunks first: an object that is finished meanwhile is then among the objects.
      const { state } = await asked.streams.info(OBJECT_STREAM, { subjects_filter: ALL_CHUNKS });
      const written = Object.keys(state.subjects ?? {}).map((subject) => subject.split('.').at(-1) ?? '');
      const known = new Set<string>();
      for await (const { nuid } of metas()) known.add(nuid);
      const found: { pieces: string; lastWrittenMs: number }[] = [];
      for (const pieces of written.filter((one) => !known.has(one))) {
        const last = await asked.streams.getMessage(OBJECT_STREAM, { last_by_subj: chunkSubject(pieces) });
        if (last !== null) found.push({ pieces, lastWrittenMs: Date.parse(last.timestamp) });
      }
      return found;
    },
    async remove(object) {
      const found = await storedMeta(connection, object);
      if (found === null) return;
      // Nobody begins to read what has no name any more; what is left of a death between the two is a leftover.
      await purge(metaSubject(object));
      await purge(chunkSubject(found.meta.nuid));
    },
    async removeLeftover(pieces) {
      await purge(chunkSubject(pieces));
    },
  };
};

async function* allMetas(
  connection: NatsConnection,
  manager: () => Promise<JetStreamManager>,
): AsyncGenerator<ObjectMeta, void, void> {
  const { state } = await (await manager()).streams.info(OBJECT_STREAM);
  if (state.messages === 0) return;
  const options = { filterSubjects: [ALL_METAS], untilSeq: state.last_seq };
  for await (const message of followStream(connection, OBJECT_STREAM, 0, options))
    yield message.json<ObjectMeta>();
}

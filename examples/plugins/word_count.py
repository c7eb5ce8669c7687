"""A worker of the step type acme.word_count: pip install nats-py, then

    NATS_URL=$(orchestra plugins credentials acme.word_count) python word_count.py
"""

import asyncio
import json
import os
import time
import uuid

import nats

TYPE = "acme.word_count"
WORKER = f"py-{uuid.uuid4().hex[:12]}"  # another one at each start: a new process knows nothing of old runs
GIVE_UP_S = 10  # without a word that a run is wanted: its executor is gone, and another one will ask anew
MANIFEST = {
    "name": TYPE,
    "version": "1.0.0",
    "description": "Counts the words of a text.",
    "input": {
        "type": "object",
        "properties": {"text": {"type": "string"}, "seconds": {"type": "number", "minimum": 0}},
        "required": ["text"],
    },
    "output": {
        "type": "object",
        "properties": {"words": {"type": "integer"}},
        "required": ["words"],
    },
}


async def main():
    broker = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    runs = {}
    kept = {}  # when each of them was last said to be wanted

    async def say(run, kind, **more):
        message = {"worker": WORKER, "run": run, "kind": kind, **more}
        await broker.publish(f"plugin.from.{TYPE}", json.dumps(message).encode())

    def hello(**more):
        return json.dumps({"worker": WORKER, "manifest": MANIFEST, "slots": 4, "runs": list(runs), **more}).encode()

    async def work(run, data):
        try:
            await say(run, "progress", message="counting")
            await asyncio.sleep(data.get("seconds", 0))
            await say(run, "complete", output={"words": len(data["text"].split())})
        except Exception as error:
            await say(run, "fail", message=str(error))
        finally:
            forget(run)

    def forget(run):
        kept.pop(run, None)
        return runs.pop(run, None)

    async def told(message):
        order = json.loads(message.data)
        run = order["run"]
        if order["kind"] == "run" and run not in runs:
            await say(run, "accept")
            kept[run] = time.monotonic()
            runs[run] = asyncio.create_task(work(run, order["input"]))
        elif order["kind"] == "keep" and run in runs:
            kept[run] = time.monotonic()
        elif order["kind"] == "cancel" and run in runs:
            forget(run).cancel()

    await broker.subscribe(f"plugin.to.{TYPE}.{WORKER}", cb=told)
    # As a request the first time: a hello that is refused is answered with what is wrong with it.
    answer = json.loads((await broker.request(f"plugin.hello.{TYPE}", hello(), timeout=10)).data)
    if not answer["ok"]:
        raise SystemExit(answer["error"])
    print(f"{WORKER} serves {TYPE}", flush=True)
    while True:
        await asyncio.sleep(answer["hello_every_ms"] / 1000)
        for run in [run for run, at in kept.items() if time.monotonic() - at > GIVE_UP_S]:
            print(f"gave up {run}", flush=True)
            forget(run).cancel()
        await broker.publish(f"plugin.hello.{TYPE}", hello())


asyncio.run(main())

import { expect } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { TaskView } from '#libs/contracts/queries.js';
import { send, type Answer } from './http-client.js';
import type { TestPlatform } from './platform.js';
import { SseClient } from './sse-client.js';

/** What a client of the REST API does, with every answer held to the schema that the OpenAPI document names for it. */
export class RestClient {
  private constructor(
    private readonly platform: TestPlatform,
    private readonly ajv: Ajv2020,
  ) {}

  static async of(platform: TestPlatform, apiKey?: string): Promise<RestClient> {
    const headers = apiKey === undefined ? {} : { 'x-api-key': apiKey };
    const { json } = await send(platform.url, { method: 'GET', path: '/openapi.json', headers });
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    ajv.addSchema(json as object, 'openapi');
    return new RestClient(platform, ajv);
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return await send(this.platform.url, { method, path: `/api/v1${path}`, body, headers });
  }

  fits(answer: Answer, schema: string): void {
    const check = this.ajv.getSchema(`openapi#/components/schemas/${schema}`);
    if (!check) throw new Error(`no schema ${schema}`);
    void check(answer.json);
    expect(check.errors).toBeNull();
  }

  async submit(body: object = {}, headers: Record<string, string> = {}): Promise<string> {
    const answer = await this.call('POST', '/tasks', { template: 'noop', ...body }, headers);
    expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
    this.fits(answer, 'Submitted');
    return (answer.json as { id: string }).id;
  }

  async view(id: string): Promise<TaskView> {
    const answer = await this.call('GET', `/tasks/${id}`);
    this.fits(answer, 'Task');
    return answer.json as TaskView;
  }

  /** Waits by the task's own stream, as a client would. */
  async ended(id: string): Promise<TaskView> {
    const stream = await SseClient.open(`${this.platform.url}/api/v1/tasks/${id}/stream`);
    await stream.all();
    return await this.view(id);
  }

  /** Waits until an attempt of the task was dispatched. */
  async started(id: string): Promise<void> {
    const stream = await SseClient.open(`${this.platform.url}/api/v1/tasks/${id}/stream`);
    await stream.until(({ event }) => event === 'step.dispatched');
    stream.close();
  }

  async explained(id: string): Promise<object> {
    const answer = await this.call('GET', `/tasks/${id}/explain`);
    this.fits(answer, 'Explanation');
    return answer.json as object;
  }
}

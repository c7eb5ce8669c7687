import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { openApiText } from '#apps/gateway/http/openapi-text.js';

type Operation = {
  readonly operationId: string;
  readonly summary?: string;
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>;
};
type Document = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: object };
};

describe('the OpenAPI document', () => {
  it('that is committed is the one that the code makes (npm run docs writes it)', async () => {
    expect(readFileSync('test/fixtures/openapi.json', 'utf8')).toBe(await openApiText());
  });

  it('describes every route, each with its answers and its refusals', async () => {
    const { openapi, paths } = JSON.parse(await openApiText()) as Document;
    expect(openapi).toBe('3.1.0');
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        operation,
      })),
    );
    expect(operations.map(({ name }) => name).toSorted()).toEqual([
      'DELETE /api/v1/pauses/{scope}',
      'DELETE /api/v1/schedules/{id}',
      'DELETE /api/v1/servers/{id}',
      'DELETE /api/v1/tasks/{id}',
      'DELETE /api/v1/workflows/{id}',
      'GET /api/v1/answers/{token}',
      'GET /api/v1/artifacts/{owner}/{name}',
      'GET /api/v1/inbox',
      'GET /api/v1/notifications/channels',
      'GET /api/v1/notifications/deliveries',
      'GET /api/v1/notifications/deliveries/{id}',
      'GET /api/v1/pauses',
      'GET /api/v1/plugins',
      'GET /api/v1/queue',
      'GET /api/v1/schedules',
      'GET /api/v1/schedules/{id}',
      'GET /api/v1/schedules/{id}/next',
      'GET /api/v1/servers',
      'GET /api/v1/tasks',
      'GET /api/v1/tasks/status',
      'GET /api/v1/tasks/{id}',
      'GET /api/v1/tasks/{id}/artifacts',
      'GET /api/v1/tasks/{id}/artifacts/{name}',
      'GET /api/v1/tasks/{id}/events',
      'GET /api/v1/tasks/{id}/explain',
      'GET /api/v1/tasks/{id}/steps/{stepId}/question',
      'GET /api/v1/tasks/{id}/steps/{step}/items',
      'GET /api/v1/tasks/{id}/stream',
      'GET /api/v1/templates',
      'GET /api/v1/templates/{name}',
      'GET /api/v1/templates/{name}/diff',
      'GET /api/v1/templates/{name}/versions',
      'GET /api/v1/workflows',
      'GET /api/v1/workflows/{id}',
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
      'PATCH /api/v1/tasks/{id}/priority',
      'POST /api/v1/answers/{token}',
      'POST /api/v1/artifacts/{name}',
      'POST /api/v1/notifications/deliveries/{id}/resend',
      'POST /api/v1/notifications/test',
      'POST /api/v1/schedules/{id}/fire',
      'POST /api/v1/schedules/{id}/pause',
      'POST /api/v1/schedules/{id}/resume',
      'POST /api/v1/servers/{id}/drain',
      'POST /api/v1/servers/{id}/resume',
      'POST /api/v1/tasks',
      'POST /api/v1/tasks/cancel',
      'POST /api/v1/tasks/{id}/move',
      'POST /api/v1/tasks/{id}/rerun',
      'POST /api/v1/tasks/{id}/steps/{stepId}/answer',
      'POST /api/v1/tasks/{id}/steps/{stepId}/link',
      'POST /api/v1/templates/validate',
      'POST /api/v1/templates/{name}/render',
      'POST /api/v1/workflows',
      'PUT /api/v1/pauses/{scope}',
      'PUT /api/v1/schedules/{id}',
      'PUT /api/v1/servers/{id}',
    ]);
    for (const { name, operation } of operations) {
      expect([name, operation.summary]).toEqual([name, expect.any(String)]);
      expect([name, operation.responses['default']?.content]).toEqual([
        name,
        { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      ]);
      const good = Object.keys(operation.responses).filter((status) => status.startsWith('2'));
      expect([name, good.length > 0]).toEqual([name, true]);
    }
  });

  it('refers only to schemas that it has, and every schema is one', async () => {
    const text = await openApiText();
    const { components } = JSON.parse(text) as Document;
    const named = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(named.filter((name) => !(name in components.schemas))).toEqual([]);
    const unused = Object.keys(components.schemas).filter((name) => !named.includes(name));
    expect(unused).toEqual([]);
  });
});

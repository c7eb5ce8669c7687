import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { packageVersion } from '#libs/runtime/version.js';
import { SCHEMAS, schemaRef } from './openapi-schemas.js';

/** The OpenAPI 3.1 document of what this application answers. */
export const openApiDocument = (app: INestApplication): OpenAPIObject => {
  const config = new DocumentBuilder()
    .setTitle('AI Task Orchestra')
    .setDescription(
      'Tasks for AI models on machines that you own. Every error is application/problem+json (RFC 9457) and names the value, the place and what is accepted.',
    )
    .setVersion(packageVersion())
    .setOpenAPIVersion('3.1.0')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addApiKey({ type: 'apiKey', name: 'X-API-Key', in: 'header' }, 'key')
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'bearer')
    // A key is needed only where one is configured.
    .addSecurityRequirements({})
    .addSecurityRequirements('key')
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) =>
      `${controller.replace(/Controller$/, '').toLowerCase()}_${method}`,
  });
  for (const operation of operationsOf(document)) {
    operation.responses['default'] = {
      description: 'Refused or failed, and why.',
      content: { 'application/problem+json': { schema: schemaRef('Problem') } },
    };
  }
  const schemas = { ...document.components?.schemas, ...SCHEMAS } as Schemas;
  document.components = { ...document.components, schemas };
  return document;
};

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

type Operation = { responses: Record<string, unknown> };

const operationsOf = (document: OpenAPIObject): readonly Operation[] =>
  Object.values(document.paths).flatMap((path) =>
    Object.values(path as Record<string, unknown>).filter(
      (part): part is Operation => typeof part === 'object' && part !== null && 'responses' in part,
    ),
  );

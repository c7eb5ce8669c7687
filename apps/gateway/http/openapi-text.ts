import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { GatewayModule } from '../gateway.module.js';
import { openApiDocument } from './openapi-document.js';

/** The document as a file, made without a broker: what clients are generated from, and what a review of a change shows. */
export const openApiText = async (): Promise<string> => {
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.routesOnly(),
    new FastifyAdapter(),
    {
      logger: false,
    },
  );
  const document = openApiDocument(app);
  await app.close();
  return `${JSON.stringify(document, null, 2)}\n`;
};

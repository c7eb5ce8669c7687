import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import { openApiText } from '#apps/gateway/http/openapi-text.js';
import { readmeTables, withTables } from './readme-tables.js';
import { SERVICE_SETTINGS } from './service-settings.js';

/** `npm run docs`: puts the tables that the code makes into the README, and writes the OpenAPI document. */
const readme = readFileSync('README.md', 'utf8');
writeFileSync('README.md', withTables(readme, readmeTables(SERVICE_SETTINGS)));
writeFileSync('test/fixtures/openapi.json', await openApiText());

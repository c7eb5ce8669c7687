import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import { openApiText } from '#apps/gateway/http/openapi-text.js';
import { readmeTables, templateTables, withTables } from './readme-tables.js';
import { SERVICE_SETTINGS } from './service-settings.js';

/** `npm run docs`: puts the tables that the code makes into the READMEs, and writes the OpenAPI document. */
const readme = readFileSync('README.md', 'utf8');
writeFileSync('README.md', withTables(readme, readmeTables(SERVICE_SETTINGS)));
const templates = readFileSync('templates/README.md', 'utf8');
writeFileSync('templates/README.md', withTables(templates, templateTables()));
writeFileSync('test/fixtures/openapi.json', await openApiText());

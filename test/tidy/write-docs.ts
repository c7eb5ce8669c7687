import { readFileSync, writeFileSync } from 'node:fs';
import { readmeTables, withTables } from './readme-tables.js';
import { SERVICE_SETTINGS } from './service-settings.js';

/** `npm run docs`: puts the tables that the code makes into the README. */
const readme = readFileSync('README.md', 'utf8');
writeFileSync('README.md', withTables(readme, readmeTables(SERVICE_SETTINGS)));

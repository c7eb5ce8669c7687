/** Imported first: what follows needs a Node.js that the machine may not have. */

/** Oldest release that the parts of the results service run on. */
const OLDEST = [22, 17] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `orchestra needs Node.js ${OLDEST.join('.')} or newer, and this is ${process.version}. Its own is in node_modules/.bin: ` +
      "'npm start', 'npm run demo' and 'npx orchestra' in its folder use that.\n",
  );
  process.exit(1);
}

/**
 * A step type of somebody else's: an owner, a dot and a name, such as `acme.word_count`. Types of this program have no dot, so
 * neither can ever take the name of the other. Both parts are safe as tokens of a subject.
 */
const PLUGIN_TYPE = /^[a-z][a-z0-9_-]{0,31}\.[a-z][a-z0-9_-]{0,62}$/;

export const PLUGIN_TYPE_ACCEPTED =
  'an owner and a name with a dot between, such as acme.word_count: lower-case letters, digits, _ and -';

export const isPluginType = (stepType: string): boolean => PLUGIN_TYPE.test(stepType);
